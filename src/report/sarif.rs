//! `sarif`: findings in the Static Analysis Results Interchange Format 2.1.0, which code hosts show beside the lines.
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::core::escape::{json as escaped, visible};
use crate::lint::{Finding, Linted, REFUSED, RULES, Rule};
use crate::project::Level;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "note",
        Level::Off => "none",
    }
}

/// A path as a relative reference of a URI.
fn uri(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'/');
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn rule_json(rule: &Rule) -> Value {
    json!({
        "id": rule.code, "name": rule.name,
        "shortDescription": { "text": rule.name.replace('-', " ") },
        "fullDescription": { "text": rule.reason },
        "help": { "text": rule.fix },
        "defaultConfiguration": { "level": level(rule.level), "enabled": rule.level != Level::Off },
    })
}

fn finding_json(finding: &Finding, rules: &[&Rule], folder: &str, ordinal: usize) -> Value {
    let ((line, column), (end_line, end_column)) = (finding.start(), finding.end());
    let stop = if finding.message.ends_with(['?', '.', '!']) { "" } else { "." };
    let mut result = json!({
        "ruleId": finding.rule.code,
        "ruleIndex": rules.iter().position(|rule| rule.code == finding.rule.code),
        "level": level(finding.level),
        "message": { "text": format!("{}{stop} {}", visible(&finding.message), visible(&finding.help)) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&format!("{folder}{}", finding.source.path)), "uriBaseId": "%SRCROOT%" },
            "region": { "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column },
        }}],
        // The same finding is known again when lines move.
        "partialFingerprints": { "promptctl/v1": format!("{}:{ordinal}", finding.key()) },
    });
    // A byte order mark or line ends of Windows would put them elsewhere, and the reader has only this text's offsets.
    if let (Some(object), false) = (result.as_object_mut(), finding.edits.is_empty()) {
        let replacements: Vec<Value> = finding
            .edits
            .iter()
            .map(|edit| {
                let (from, to) =
                    (finding.source.line_column(edit.span.start), finding.source.line_column(edit.span.end));
                json!({
                    "deletedRegion": { "startLine": from.0, "startColumn": from.1, "endLine": to.0, "endColumn": to.1 },
                    "insertedContent": { "text": edit.text },
                })
            })
            .collect();
        let change = json!({
            "artifactLocation": { "uri": uri(&format!("{folder}{}", finding.source.path)), "uriBaseId": "%SRCROOT%" },
            "replacements": replacements,
        });
        object
            .insert("fixes".into(), json!([{ "description": { "text": finding.help }, "artifactChanges": [change] }]));
    }
    result
}

/// Writes what was found. `folder` is the project's in its repository, with a `/` behind it.
pub fn write_sarif(out: &mut dyn Write, linted: &Linted, folder: &str) -> io::Result<()> {
    let refused = REFUSED.iter().filter(|_| linted.is_refused);
    let rules: Vec<&Rule> = RULES.iter().chain(refused).collect();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let results = linted.findings.iter().map(|finding| {
        let count = known.entry(finding.key()).or_default();
        *count += 1;
        finding_json(finding, &rules, folder, *count)
    });
    let results: Vec<Value> = results.collect();
    let skipped = linted.skipped.iter().map(|path| {
        json!({
            "level": "note",
            "message": { "text": "skipped, as its template says nothing" },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": uri(&format!("{folder}{path}")), "uriBaseId": "%SRCROOT%" },
            }}],
        })
    });
    let invocation = json!({
        "executionSuccessful": !linted.is_refused, "toolExecutionNotifications": skipped.collect::<Vec<_>>(),
    });
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "promptctl", "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|rule| rule_json(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { "%SRCROOT%": { "description": { "text": "the root of the repository" } } },
            "invocations": [invocation],
            "results": results,
        }],
    });
    writeln!(out, "{}", escaped(&format!("{document:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_relative_reference() {
        assert_eq!(uri("prompts/a b%ü:#.j2"), "prompts/a%20b%25%C3%BC%3A%23.j2");
    }
}
