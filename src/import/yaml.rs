//! Values as YAML that this program reads as the same values.

use std::sync::Arc;

use serde_json::Value;

use crate::core::json::same;
use crate::core::problem::Source;
use crate::core::yaml;

/// A value as YAML. What the writer would write so that it reads otherwise is written as JSON, which is YAML, too.
pub(super) fn to_yaml(value: &Value) -> String {
    let text = serde_yaml::to_string(value).unwrap_or_default();
    if reads_as(&text, value) { text } else { format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default()) }
}

fn reads_as(text: &str, value: &Value) -> bool {
    let source: Arc<Source> = Source::new("written", text);
    yaml::parse(&source).is_ok_and(|node| same(&node.to_json(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_value_is_read_as_it_was() {
        let worst = json!({
            "no": "no", "yes": "YES", "octal": "007", "time": "12:30", "float": "1.0", "exp": "1e3", "tilde": "~",
            "null": null, "empty": "", "blank": " x ", "colon": "a: b", "hash": "a # b", "dash": "- a", "quote": "\"'",
            "lines": "one\ntwo\n\n", "spaces": "  lead\n trail  \n", "tab": "\tx", "cr": "a\r\nb", "nel": "a\u{85}b",
            "sep": "a\u{2028}b", "bom": "\u{feff}x", "escape": "\u{1b}[2J", "emoji": "😀", "merge": {"<<": "x"},
            "percent": "%YAML", "amp": "&a", "star": "*a", "bang": "!x", "at": "@x", "tick": "`x", "brace": "{{ x }}",
            "list": [[], {}, [1, 1.5, -0.0, true]], "big": 12_345_678_901_234_567_u64, "doc": "---\nx", "key: x": 1,
            "conflict": "<<<<<<< a\n=======\n>>>>>>> b\n",
        });
        for (key, value) in worst.as_object().expect("an object") {
            if key == "merge" {
                continue;
            }
            let one = json!({ key: value });
            assert!(reads_as(&to_yaml(&one), &one), "{}", to_yaml(&one));
        }
    }
}
