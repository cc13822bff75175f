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
        "llm-rubric" => &["rubric", "question", "output", "vars"],
        STEPS => &["criteria", "question", "output", "vars"],
        "g-eval" => &["criteria", "steps", "question", "output", "vars"],
        "factuality" => &["reference", "question", "output", "vars"],
        "context-faithfulness" | "context-recall" | "context-relevance" => {
            &["context", "reference", "question", "output", "vars"]
        }
        "select-best" => &["criteria", "answers", "question", "vars"],
        "prefers" => &["criteria", "first", "second", "question", "vars"],
        _ => &["question", "output", "vars"],
    }
}
