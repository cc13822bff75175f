//! `judge:` of `promptctl.yaml`: who judges and who embeds where an expectation names nobody, and when a judge decides.

use super::config::decode_aliases;
use super::model::ModelEntry;
use crate::core::decode::Decoder;
use crate::core::names::ModelAlias;
use crate::core::yaml::Node;

/// The agreement beyond chance that a judge must have reached where nobody says.
const KAPPA: f64 = 0.6;
/// How many labels it must have been held against: with fewer the interval of kappa says next to nothing.
const LABELS: u64 = 30;
/// The share of labels that it may leave without a verdict: what it cannot say is seldom what is easy.
const ERRORED: f64 = 0.1;

/// What the calibration of a judge must have reached for it to decide, and not only to advise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    /// Cohen's kappa.
    pub kappa: Option<f64>,
    /// The share of labels that the judge agrees with.
    pub accuracy: Option<f64>,
    /// How many labels it must have been held against.
    pub labels: u64,
    /// The share of labels of which nobody could read what it said.
    pub errored: f64,
}

impl Default for Gate {
    fn default() -> Self {
        Self { kappa: Some(KAPPA), accuracy: None, labels: LABELS, errored: ERRORED }
    }
}

/// Who judges, and when that decides.
#[derive(Clone, Debug, Default)]
pub struct JudgeSettings {
    /// The model that judges.
    pub model: Option<ModelAlias>,
    /// The model that embeds.
    pub embeddings: Option<ModelAlias>,
    /// When a judge decides.
    pub gate: Gate,
}

/// Reads `judge: { model: …, embeddings: …, gate: { kappa: 0.6, accuracy: 0.9, labels: 50, errored: 0.05 } }`.
pub(super) fn decode_judge(decoder: &mut Decoder<'_>, node: &Node, models: &[ModelEntry]) -> JudgeSettings {
    let mut settings = JudgeSettings::default();
    let Some(fields) = decoder.fields(node, "judge", &["model", "embeddings", "gate"]) else { return settings };
    let mut alias = |name: &str| {
        let node = fields.get(name)?;
        let text = decoder.text(node, name)?;
        let named = Node { span: node.span.clone(), data: crate::core::yaml::Data::Text(text) };
        decode_aliases(decoder, &named, models).pop()
    };
    settings.model = alias("model");
    settings.embeddings = alias("embeddings");
    if let Some(gate) = fields.get("gate").and_then(|node| decode_gate(decoder, node)) {
        settings.gate = gate;
    }
    settings
}

fn decode_gate(decoder: &mut Decoder<'_>, node: &Node) -> Option<Gate> {
    let fields = decoder.fields(node, "gate", &["kappa", "accuracy", "labels", "errored"])?;
    let mut share = |name: &str| -> Option<Option<f64>> {
        let Some(node) = fields.get(name) else { return Some(None) };
        let value = decoder.number(node, name)?;
        if value > 0.0 && value <= 1.0 {
            return Some(Some(value));
        }
        decoder.error(node.span.clone(), format!("{name} must be above 0 and at most 1"));
        None
    };
    let (kappa, accuracy) = (share("kappa")?, share("accuracy")?);
    let labels = match fields.get("labels") {
        Some(node) => decoder.count(node, "labels", 1)?,
        None => LABELS,
    };
    let errored = match fields.get("errored") {
        Some(node) => {
            let value = decoder.number(node, "errored")?;
            if !(0.0..1.0).contains(&value) {
                decoder.error(node.span.clone(), "errored must be at least 0 and below 1");
                return None;
            }
            value
        }
        None => ERRORED,
    };
    let kappa = if kappa.is_none() && accuracy.is_none() { Some(KAPPA) } else { kappa };
    Some(Gate { kappa, accuracy, labels, errored })
}
