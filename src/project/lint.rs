//! `lint:` of `promptctl.yaml`: how severe each rule is, with which limits, and what fails. Which rules there are is known
//! further to the right; what is written here is checked there.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::decode::Decoder;
use crate::core::problem::Source;
use crate::core::yaml::{Data, Key, Node};

/// How severe a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not looked for.
    Off,
    /// Worth knowing.
    Info,
    /// Worth a change.
    Warning,
    /// Wrong.
    Error,
}

impl Level {
    /// Every level and its name.
    pub const ALL: [(&'static str, Self); 4] =
        [("off", Self::Off), ("info", Self::Info), ("warning", Self::Warning), ("error", Self::Error)];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, level)| *level == self).map_or("", |(name, _)| name)
    }
}

/// What a project says of a rule.
#[derive(Clone, Debug)]
pub struct WrittenRule {
    /// Its code or its name.
    pub name: String,
    /// Where it is named.
    pub span: Range<usize>,
    /// How severe it is; `None` leaves it as it is.
    pub level: Option<Level>,
    /// Limits: the name, where it stands, and the number.
    pub numbers: Vec<(String, Range<usize>, f64)>,
}

/// What a project says of its rules.
#[derive(Clone, Debug, Default)]
pub struct LintSettings {
    /// The file that it stands in; `None` where nothing is said.
    pub source: Option<Arc<Source>>,
    /// The rules.
    pub rules: Vec<WrittenRule>,
    /// From which level on findings fail.
    pub fail_on: Option<Level>,
}

/// Reads `lint: { rules: { W05: off, size-instructions: { severity: error, tokens: 2000 } }, fail-on: error }`.
pub(super) fn decode_lint(decoder: &mut Decoder<'_>, node: &Node) -> LintSettings {
    let mut settings = LintSettings { source: Some(Arc::clone(decoder.source)), ..LintSettings::default() };
    let Some(fields) = decoder.fields(node, "lint", &["rules", "fail-on"]) else { return settings };
    settings.fail_on = fields.get("fail-on").and_then(|node| decoder.choice(node, "fail-on", &Level::ALL[1..]));
    if let Some(rules) = fields.get("rules").and_then(|node| decoder.map(node, "rules")) {
        settings.rules = rules.iter().filter_map(|(key, node)| decode_rule(decoder, key, node)).collect();
    }
    settings
}

fn decode_rule(decoder: &mut Decoder<'_>, key: &Key, node: &Node) -> Option<WrittenRule> {
    let what = format!("the rule `{}`", key.text);
    let mut rule = WrittenRule { name: key.text.clone(), span: key.span.clone(), level: None, numbers: Vec::new() };
    if !matches!(node.data, Data::Map(_)) {
        rule.level = Some(decoder.choice(node, &what, &Level::ALL)?);
        return Some(rule);
    }
    for (key, node) in decoder.map(node, &what)?.iter() {
        if key.text == "severity" {
            rule.level = decoder.choice(node, "severity", &Level::ALL);
            continue;
        }
        let value = decoder.number(node, &key.text)?;
        if value < 0.0 {
            decoder.error(node.span.clone(), format!("{} must not be below 0", key.text));
            return None;
        }
        rule.numbers.push((key.text.clone(), key.span.clone(), value));
    }
    Some(rule)
}
