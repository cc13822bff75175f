//! The few lines of JavaScript that say what an expectation or a transform says. Nothing is run.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

const TEXT: &str = r#"(?:'([^'\\]*)'|"([^"\\]*)")"#;
const PATH: &str = r"((?:\.[A-Za-z_$][\w$]*|\[\d+\])+)";

static CHECKS: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    [
        ("contains", format!(r"^output\.includes\({TEXT}\)$")),
        ("icontains", format!(r"^output\.toLowerCase\(\)\.includes\({TEXT}\)$")),
        ("not-contains", format!(r"^!output\.includes\({TEXT}\)$")),
        ("starts-with", format!(r"^output\.startsWith\({TEXT}\)$")),
        ("ends-with", format!(r"^output\.endsWith\({TEXT}\)$")),
        ("equals", format!(r"^output\s*===?\s*{TEXT}$")),
    ]
    .into_iter()
    .filter_map(|(name, pattern)| Some((name, Regex::new(&pattern).ok()?)))
    .collect()
});

static MEMBER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(r"^JSON\.parse\(output\){PATH}\s*===?\s*(?:{TEXT}|(-?\d+(?:\.\d+)?|true|false))$")).ok()
});

static PARSED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!(r"^JSON\.parse\(output\){PATH}$")).ok());

/// The line without `return`, a semicolon and blanks around it.
fn line(script: &str) -> &str {
    let script = script.trim().trim_end_matches(';').trim();
    script.strip_prefix("return ").unwrap_or(script).trim()
}

/// The expectation that says the same as a line. `translate` makes Jinja of a text in it: it is rendered there, too.
pub(super) fn check(script: &str, translate: &mut dyn FnMut(&str) -> String) -> Option<(&'static str, Value)> {
    let line = line(script);
    for (name, regex) in CHECKS.iter() {
        if let Some(found) = regex.captures(line) {
            let text = found.get(1).or_else(|| found.get(2))?.as_str();
            // What was lowered never holds a capital letter.
            let fits = *name != "icontains" || text == text.to_lowercase();
            return fits.then(|| (*name, json!(translate(text))));
        }
    }
    let found = MEMBER.as_ref()?.captures(line)?;
    if let Some(list) = found[1].strip_suffix(".length") {
        // Not a member: how long the list or the text is.
        let length: u64 = found.get(4)?.as_str().parse().ok()?;
        let kinds = json!(["array", "string"]);
        return Some(("json-path", json!({ "path": format!("${list}"), "type": kinds, "length": length })));
    }
    let path = format!("${}", &found[1]);
    let text = found.get(2).or_else(|| found.get(3));
    let value = match (text, found.get(4)) {
        (Some(text), _) => json!(translate(text.as_str())),
        (None, Some(other)) => serde_json::from_str(other.as_str()).ok()?,
        (None, None) => return None,
    };
    Some(("json-path", json!({ "path": path, "equals": value })))
}

/// The `transform:` that says the same as a line.
pub(super) fn transform(script: &str) -> Option<Value> {
    let line = line(script);
    Some(match line {
        "output.trim()" => json!("trim"),
        "output.toLowerCase()" => json!("lower"),
        "output.trim().toLowerCase()" | "output.toLowerCase().trim()" => json!(["trim", "lower"]),
        "output.toUpperCase()" => json!({ "template": "{{ output | upper }}" }),
        _ => {
            let found = PARSED.as_ref()?.captures(line).filter(|found| !found[1].ends_with(".length"))?;
            json!({ "json-path": format!("${}", &found[1]) })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str) -> Option<(&'static str, Value)> {
        super::check(script, &mut super::super::template::literal)
    }

    #[test]
    fn a_line_that_says_what_an_expectation_says() {
        assert_eq!(CHECKS.len(), 6, "every expression compiles");
        assert_eq!(check("output.includes('a {{b}}');"), Some(("contains", json!("a {{ \"{\" }}{b}}"))));
        assert_eq!(check("return output.toLowerCase().includes(\"yes\")"), Some(("icontains", json!("yes"))));
        assert_eq!(
            check("JSON.parse(output).items[0].n === 3"),
            Some(("json-path", json!({"path": "$.items[0].n", "equals": 3})))
        );
        assert_eq!(
            check("JSON.parse(output).b.c.length === 2"),
            Some(("json-path", json!({"path": "$.b.c", "type": ["array", "string"], "length": 2})))
        );
        assert_eq!(transform("JSON.parse(output).a.b"), Some(json!({"json-path": "$.a.b"})));
        assert_eq!(transform("output.trim()"), Some(json!("trim")));
        for other in [
            "output.length < 3",
            "JSON.parse(output).a.length",
            "JSON.parse(output).a.length === true",
            "output.includes(x)",
            "output.toLowerCase().includes('A')",
            "fetch('x')",
            "",
        ] {
            assert_eq!(check(other), None, "{other}");
            assert_eq!(transform(other), None, "{other}");
        }
    }
}
