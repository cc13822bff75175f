//! `audit:` of `promptctl.yaml`: how experiments are made, and what people weigh when they read them.

use super::config::{decode_aliases, decode_repeat};
use super::model::ModelEntry;
use crate::core::decode::Decoder;
use crate::core::names::ModelAlias;
use crate::core::problem::Place;
use crate::core::time::parse_duration_ms;
use crate::core::yaml::Node;

/// How many fresh answers an experiment takes where nobody says.
const REPEAT: u32 = 5;
/// How many examples are shown where nobody says.
const EXAMPLES: u32 = 3;

/// How often what a model would have to know changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactsChange {
    /// Every day.
    Daily,
    /// Every week.
    Weekly,
    /// Every month.
    Monthly,
    /// Every year.
    Yearly,
    /// Never.
    Never,
}

impl FactsChange {
    const ALL: [(&'static str, Self); 5] = [
        ("daily", Self::Daily),
        ("weekly", Self::Weekly),
        ("monthly", Self::Monthly),
        ("yearly", Self::Yearly),
        ("never", Self::Never),
    ];

    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, change)| *change == self).map_or("", |(name, _)| name)
    }

    /// Whether they are others before a model could be trained on them again.
    #[must_use]
    pub fn outruns_training(self) -> bool {
        matches!(self, Self::Daily | Self::Weekly | Self::Monthly)
    }
}

/// How experiments are made, and what people weigh.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// Models that are tried where one fails, the first that is not the one under audit; none: the dearest.
    pub stronger: Vec<ModelAlias>,
    /// How many fresh answers an experiment takes.
    pub repeat: u32,
    /// How many examples are shown.
    pub examples: u32,
    /// The template in which facts are given, and where that is written; none: the shipped one.
    pub facts_template: Option<(String, Place)>,
    /// How often facts change.
    pub facts_change: Option<FactsChange>,
    /// How many labelled examples are at hand; none: as many as answers are accepted.
    pub labelled_examples: Option<u64>,
    /// How long an answer may take, in milliseconds.
    pub latency_budget_ms: Option<u64>,
    /// What a month may cost, in USD.
    pub money_per_month: Option<f64>,
    /// How many requests a month has.
    pub volume: Option<u64>,
    /// Whether an answer must say where it has it from.
    pub sources_must_be_named: Option<bool>,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            stronger: Vec::new(),
            repeat: REPEAT,
            examples: EXAMPLES,
            facts_template: None,
            facts_change: None,
            labelled_examples: None,
            latency_budget_ms: None,
            money_per_month: None,
            volume: None,
            sources_must_be_named: None,
        }
    }
}

const KEYS: [&str; 10] = [
    "stronger",
    "repeat",
    "examples",
    "facts-template",
    "facts-change",
    "labelled-examples",
    "latency-budget",
    "money-budget",
    "volume",
    "sources-must-be-named",
];

/// Reads `audit:`.
pub(super) fn decode_audit(decoder: &mut Decoder<'_>, node: &Node, models: &[ModelEntry]) -> AuditSettings {
    let mut settings = AuditSettings::default();
    let Some(fields) = decoder.fields(node, "audit", &KEYS) else { return settings };
    if let Some(node) = fields.get("stronger") {
        settings.stronger = decode_aliases(decoder, node, models);
    }
    if let Some(node) = fields.get("repeat") {
        settings.repeat = decode_repeat(decoder, node).unwrap_or(REPEAT);
    }
    if let Some(count) = fields.get("examples").and_then(|node| Some((node, decoder.count(node, "examples", 1)?))) {
        match u32::try_from(count.1) {
            Ok(examples) if examples <= 100 => settings.examples = examples,
            _ => decoder.error(count.0.span.clone(), "examples must be at most 100"),
        }
    }
    settings.facts_template = fields.get("facts-template").and_then(|node| {
        let place = Place::span(decoder.source, node.span.clone());
        Some((decoder.text(node, "facts-template")?, place))
    });
    settings.facts_change =
        fields.get("facts-change").and_then(|node| decoder.choice(node, "facts-change", &FactsChange::ALL));
    settings.labelled_examples =
        fields.get("labelled-examples").and_then(|node| decoder.count(node, "labelled-examples", 0));
    if let Some((node, text)) =
        fields.get("latency-budget").and_then(|node| Some((node, decoder.text(node, "latency-budget")?)))
    {
        settings.latency_budget_ms = parse_duration_ms(&text);
        if settings.latency_budget_ms.is_none() {
            decoder
                .error(node.span.clone(), format!("latency-budget is `{text}`; write a duration such as 2s or 800ms"));
        }
    }
    let money = fields.get("money-budget").and_then(|node| decoder.fields(node, "money-budget", &["per-month"]));
    if let Some(node) = money.as_ref().and_then(|fields| fields.get("per-month")) {
        settings.money_per_month = decoder.number(node, "per-month").filter(|usd| *usd >= 0.0);
        if settings.money_per_month.is_none() {
            decoder.error(node.span.clone(), "per-month must be an amount of US dollars such as 500");
        }
    }
    settings.volume = fields.get("volume").and_then(|node| decoder.count(node, "volume", 0));
    settings.sources_must_be_named =
        fields.get("sources-must-be-named").and_then(|node| decoder.bool(node, "sources-must-be-named"));
    settings
}
