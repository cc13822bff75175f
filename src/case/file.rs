//! `cases.yaml` as it is written: defaults, cases and data sets, decoded but not yet put together.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::relevant::{Relevant, decode_relevant};
use super::turns::{WrittenTurn, decode_turns};
use crate::core::decode::{Decoder, Fields};
use crate::core::names::ModelAlias;
use crate::core::time::parse_day;
use crate::core::verdict::Quarantine;
use crate::core::yaml::{Data, Node};
use crate::project::{
    Config, SnapshotSettings, decode_aliases, decode_rate, decode_repeat, decode_snapshot, decode_unasserted,
};

/// What a case, a data set and the defaults of a file may all say.
#[derive(Clone, Debug, Default)]
pub(super) struct Common {
    pub(super) expect: Vec<Node>,
    pub(super) snapshot: SnapshotSettings,
    pub(super) repeat: Option<u32>,
    pub(super) min_pass_rate: Option<f64>,
    pub(super) threshold: Option<f64>,
    pub(super) models: Option<Vec<ModelAlias>>,
    pub(super) unasserted: Option<bool>,
    pub(super) quarantine: Option<Arc<Quarantine>>,
    pub(super) must_pass: Option<bool>,
    pub(super) facts: Vec<WrittenFact>,
    pub(super) relevant: Vec<Relevant>,
}

/// One of `facts:`: a text, or `{ file: NAME }`, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct WrittenFact {
    pub(super) written: Written,
    pub(super) span: Range<usize>,
}

/// A value as it is written in `vars:`.
#[derive(Clone, Debug)]
pub(super) enum Written {
    /// The value itself.
    Value(Value),
    /// `{ file: NAME }`: the text of a file.
    File(String),
    /// `{ image: NAME }`: the path of a picture, as `image()` takes it.
    Image(String),
}

/// A variable as it is written.
#[derive(Clone, Debug)]
pub(super) struct WrittenVariable {
    pub(super) name: String,
    pub(super) written: Written,
    pub(super) name_span: Range<usize>,
    pub(super) span: Range<usize>,
}

/// One of `cases:`.
#[derive(Clone, Debug)]
pub(super) struct WrittenCase {
    pub(super) name: String,
    pub(super) name_span: Range<usize>,
    pub(super) variables: Vec<WrittenVariable>,
    pub(super) tags: Vec<String>,
    pub(super) group: Option<String>,
    pub(super) turns: Vec<WrittenTurn>,
    pub(super) common: Common,
}

/// One of `datasets:`.
#[derive(Clone, Debug)]
pub(super) struct WrittenDataset {
    pub(super) file: String,
    pub(super) file_span: Range<usize>,
    pub(super) name: Option<(String, Range<usize>)>,
    pub(super) tags: Vec<(String, Range<usize>)>,
    pub(super) group: Option<(String, Range<usize>)>,
    pub(super) variables: Vec<WrittenVariable>,
    pub(super) common: Common,
    pub(super) span: Range<usize>,
}

/// A whole `cases.yaml`.
#[derive(Clone, Debug, Default)]
pub(super) struct CasesFile {
    pub(super) variables: Vec<WrittenVariable>,
    pub(super) tags: Vec<String>,
    pub(super) common: Common,
    pub(super) cases: Vec<WrittenCase>,
    pub(super) datasets: Vec<WrittenDataset>,
}

const COMMON: [&str; 11] = [
    "expect",
    "snapshot",
    "repeat",
    "min-pass-rate",
    "threshold",
    "models",
    "unasserted",
    "quarantine",
    "must-pass",
    "facts",
    "relevant",
];

fn keys(own: &[&'static str]) -> Vec<&'static str> {
    own.iter().copied().chain(COMMON).collect()
}

pub(super) fn decode(decoder: &mut Decoder<'_>, node: &Node, config: &Config) -> Option<CasesFile> {
    let fields = decoder.fields(node, "cases.yaml", &["defaults", "cases", "datasets"])?;
    let mut file = CasesFile::default();
    if let Some(fields) =
        fields.get("defaults").and_then(|node| decoder.fields(node, "defaults", &keys(&["vars", "tags"])))
    {
        file.variables = decode_variables(decoder, &fields);
        file.tags = fields.get("tags").and_then(|node| decoder.texts(node, "tags")).unwrap_or_default();
        file.common = decode_common(decoder, &fields, config);
    }
    for node in fields.get("cases").and_then(|node| decoder.list(node, "cases")).unwrap_or_default() {
        file.cases.extend(decode_case(decoder, node, config));
    }
    for node in fields.get("datasets").and_then(|node| decoder.list(node, "datasets")).unwrap_or_default() {
        file.datasets.extend(decode_dataset(decoder, node, config));
    }
    Some(file)
}

fn decode_case(decoder: &mut Decoder<'_>, node: &Node, config: &Config) -> Option<WrittenCase> {
    let fields =
        decoder.fields(node, "a case", &keys(&["name", "description", "vars", "tags", "group", "messages"]))?;
    let Some(name_node) = fields.get("name") else {
        decoder.error(fields.span.start..fields.span.start, "a case needs a `name`");
        return None;
    };
    let name = decoder.text(name_node, "name")?;
    if let Some(node) = fields.get("description") {
        decoder.text(node, "description");
    }
    Some(WrittenCase {
        name,
        name_span: name_node.span.clone(),
        variables: decode_variables(decoder, &fields),
        tags: fields.get("tags").and_then(|node| decoder.texts(node, "tags")).unwrap_or_default(),
        group: fields.get("group").and_then(|node| decoder.text(node, "group")),
        turns: fields.get("messages").and_then(|node| decode_turns(decoder, node)).unwrap_or_default(),
        common: decode_common(decoder, &fields, config),
    })
}

fn decode_dataset(decoder: &mut Decoder<'_>, node: &Node, config: &Config) -> Option<WrittenDataset> {
    let fields = decoder.fields(node, "a data set", &keys(&["file", "name", "vars", "tags", "group"]))?;
    let Some(file_node) = fields.get("file") else {
        decoder.error(fields.span.start..fields.span.start, "a data set needs a `file`");
        return None;
    };
    let file = decoder.text(file_node, "file")?;
    let tags = match fields.get("tags").map(|node| (&node.data, node)) {
        Some((Data::Text(tag), node)) => vec![(tag.clone(), node.span.clone())],
        Some((_, node)) => {
            let items = decoder.list(node, "tags").unwrap_or_default();
            items.iter().filter_map(|item| Some((decoder.text(item, "a tag")?, item.span.clone()))).collect()
        }
        None => Vec::new(),
    };
    Some(WrittenDataset {
        file,
        file_span: file_node.span.clone(),
        name: fields.get("name").and_then(|node| Some((decoder.text(node, "name")?, node.span.clone()))),
        tags,
        group: fields.get("group").and_then(|node| Some((decoder.text(node, "group")?, node.span.clone()))),
        variables: decode_variables(decoder, &fields),
        common: decode_common(decoder, &fields, config),
        span: fields.span.clone(),
    })
}

fn decode_common(decoder: &mut Decoder<'_>, fields: &Fields<'_>, config: &Config) -> Common {
    let mut common = Common::default();
    if let Some(node) = fields.get("expect") {
        common.expect = decoder.list(node, "expect").map(<[Node]>::to_vec).unwrap_or_default();
    }
    if let Some(node) = fields.get("snapshot") {
        common.snapshot = decode_snapshot(decoder, node);
    }
    common.repeat = fields.get("repeat").and_then(|node| decode_repeat(decoder, node));
    common.min_pass_rate = fields.get("min-pass-rate").and_then(|node| decode_rate(decoder, node));
    if let Some(node) = fields.get("threshold") {
        let threshold = decoder.number(node, "threshold");
        common.threshold = threshold.filter(|value| *value > 0.0 && *value <= 1.0);
        if threshold.is_some() && common.threshold.is_none() {
            decoder.error_help(
                node.span.clone(),
                "threshold must be above 0 and at most 1",
                "every answer has a score of at least 0; `unasserted: allow` lets a case check nothing",
            );
        }
    }
    common.models = fields.get("models").map(|node| decode_aliases(decoder, node, &config.models));
    common.unasserted = fields.get("unasserted").map(|node| decode_unasserted(decoder, node));
    common.quarantine = fields.get("quarantine").and_then(|node| decode_quarantine(decoder, node)).map(Arc::new);
    if let Some(node) = fields.get("must-pass") {
        common.must_pass = decoder.bool(node, "must-pass");
        let rate = common.min_pass_rate.filter(|rate| *rate < 1.0).map(|_| "min-pass-rate");
        let against = rate.or(common.quarantine.as_ref().map(|_| "quarantine"));
        if let (Some(true), Some(other)) = (common.must_pass, against) {
            decoder.error(
                node.span.clone(),
                format!("`must-pass` and `{other}` exclude each other: what must pass may not fail"),
            );
        }
    }
    common.facts = fields.get("facts").map(|node| decode_facts(decoder, node)).unwrap_or_default();
    common.relevant = fields.get("relevant").map(|node| decode_relevant(decoder, node)).unwrap_or_default();
    common
}

/// Reads `facts:`: a text, or a list of texts and `{ file: NAME }`.
fn decode_facts(decoder: &mut Decoder<'_>, node: &Node) -> Vec<WrittenFact> {
    let nodes = match &node.data {
        Data::Text(_) => std::slice::from_ref(node),
        _ => decoder.list(node, "facts").unwrap_or_default(),
    };
    let mut facts = Vec::new();
    for node in nodes {
        let written = match &node.data {
            Data::Map(_) => decoder
                .fields(node, "a fact", &["file"])
                .and_then(|fields| fields.get("file"))
                .and_then(|file| decoder.text(file, "file"))
                .map(Written::File),
            _ => decoder.text(node, "a fact").map(|text| Written::Value(Value::String(text))),
        };
        match written {
            Some(Written::Value(Value::String(text))) if text.trim().is_empty() => {
                decoder.error(node.span.clone(), "a fact must say something");
            }
            Some(written) => facts.push(WrittenFact { written, span: node.span.clone() }),
            None if matches!(node.data, Data::Map(_)) => {
                decoder.error(node.span.clone(), "a fact is a text, or `{ file: NAME }`");
            }
            None => {}
        }
    }
    facts
}

/// Reads `quarantine: { until: 2026-12-31, reason: … }`. Without an end nobody would ever look at it again.
fn decode_quarantine(decoder: &mut Decoder<'_>, node: &Node) -> Option<Quarantine> {
    let fields = decoder.fields(node, "quarantine", &["until", "reason"])?;
    let Some(until) = fields.get("until") else {
        let help = "`quarantine: { until: 2026-12-31, reason: \"why\" }`";
        decoder.error_help(node.span.clone(), "a quarantine needs an end, `until`", help);
        return None;
    };
    let text = decoder.text(until, "until")?;
    let reason = fields.get("reason").and_then(|node| decoder.text(node, "reason")).unwrap_or_default();
    let day = parse_day(&text);
    if day.is_none() {
        decoder.error(until.span.clone(), format!("until is `{text}`; write a day such as 2026-12-31"));
    }
    Some(Quarantine { until: day?, reason })
}

fn decode_variables(decoder: &mut Decoder<'_>, fields: &Fields<'_>) -> Vec<WrittenVariable> {
    let Some(fields) = fields.get("vars").and_then(|node| decoder.map(node, "vars")) else { return Vec::new() };
    let mut variables = Vec::new();
    for (key, node) in fields.iter() {
        let written = match (&node.data, node.get("file")) {
            (Data::Map(entries), Some(file)) if entries.len() == 1 => match decoder.text(file, "file") {
                Some(file) => Written::File(file),
                None => continue,
            },
            (Data::Map(entries), None) if entries.len() == 1 && entries[0].0.text == "image" => {
                match decoder.text(&entries[0].1, "image") {
                    Some(file) => Written::Image(file),
                    None => continue,
                }
            }
            _ => Written::Value(node.to_json()),
        };
        variables.push(WrittenVariable {
            name: key.text.clone(),
            written,
            name_span: key.span.clone(),
            span: node.span.clone(),
        });
    }
    variables
}

/// An object of the variables' values, those of files left out.
pub(super) fn plain_values(variables: &[WrittenVariable]) -> Map<String, Value> {
    variables
        .iter()
        .filter_map(|v| match &v.written {
            Written::Value(value) => Some((v.name.clone(), value.clone())),
            Written::File(_) | Written::Image(_) => None,
        })
        .collect()
}
