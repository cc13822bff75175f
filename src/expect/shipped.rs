//! The judges' prompts that are built in. A project that has a prompt of the same name uses its own instead.

/// The prompt that makes up the steps of `g-eval` where none are given.
pub(super) const STEPS: &str = "g-eval-steps";

/// The prompts by their names.
pub const SHIPPED: [(&str, &str); 10] = [
    ("llm-rubric", include_str!("judges/llm-rubric.j2")),
    (STEPS, include_str!("judges/g-eval-steps.j2")),
    ("g-eval", include_str!("judges/g-eval.j2")),
    ("factuality", include_str!("judges/factuality.j2")),
    ("answer-relevance", include_str!("judges/answer-relevance.j2")),
    ("context-faithfulness", include_str!("judges/context-faithfulness.j2")),
    ("context-recall", include_str!("judges/context-recall.j2")),
    ("context-relevance", include_str!("judges/context-relevance.j2")),
    ("select-best", include_str!("judges/select-best.j2")),
    ("prefers", include_str!("judges/prefers.j2")),
];

/// What the prompt of a judge is given, by the name of the built-in one whose place it takes.
#[must_use]
pub fn given(name: &str) -> &'static [&'static str] {
    match name {
        "llm-rubric" => &["rubric", "question", "conversation", "output", "vars"],
        STEPS => &["criteria", "question", "conversation", "output", "vars"],
        "g-eval" => &["criteria", "steps", "question", "conversation", "output", "vars"],
        "factuality" => &["reference", "question", "conversation", "output", "vars"],
        "context-faithfulness" | "context-recall" | "context-relevance" => {
            &["context", "reference", "question", "conversation", "output", "vars"]
        }
        "select-best" => &["criteria", "answers", "question", "conversation", "vars"],
        "prefers" => &["criteria", "first", "second", "question", "conversation", "vars"],
        _ => &["question", "conversation", "output", "vars"],
    }
}

/// What the prompt of a judge must show, by the same name: what it is to judge.
#[must_use]
pub fn judged(name: &str) -> &'static [&'static str] {
    match name {
        STEPS => &["criteria"],
        "context-recall" | "context-relevance" => &["context"],
        "select-best" => &["answers"],
        "prefers" => &["first", "second"],
        _ => &["output"],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::core::problem::Source;
    use crate::core::yaml;

    /// Servers with strict structured output refuse a schema with a word that they do not know.
    #[test]
    fn a_comma_in_a_description_was_the_end_of_it() {
        for (name, text) in SHIPPED {
            let front = text.split("---\n").nth(1).expect("a front matter");
            let node = yaml::parse(&Source::new(name, front)).expect(name);
            let schema = node.to_json()["output"]["schema"].clone();
            assert!(schema.is_object(), "{name}");
            assert_known(name, &schema);
        }
    }

    fn assert_known(name: &str, schema: &Value) {
        const KNOWN: [&str; 9] = [
            "type",
            "properties",
            "required",
            "additionalProperties",
            "description",
            "items",
            "minItems",
            "minimum",
            "maximum",
        ];
        for (key, value) in schema.as_object().into_iter().flatten() {
            assert!(KNOWN.contains(&key.as_str()) || key == "enum", "{name}: {key}");
            assert!(!value.is_null(), "{name}: {key}");
            match key.as_str() {
                "items" => assert_known(name, value),
                "properties" => {
                    value.as_object().into_iter().flatten().for_each(|(_, inner)| assert_known(name, inner));
                }
                _ => {}
            }
        }
    }
}
