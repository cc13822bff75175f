//! What changed in the prompts of a comparison: files, settings, what callers must give, the messages of cases.

use minijinja::{Value, context};
use serde::Serialize;

use crate::compare::changes::{
    Changes, Contract, FileKind, MessageChange, MessageKind, PromptChange, PromptKind, RenderedCase, Step,
};
use crate::core::verdict::Difference;
use crate::core::words::counted;
use crate::report::page::difference::{Row, RowKind, Shown, Values, difference, pieces};
use crate::report::page::escape::shown;
use crate::snapshot::JsonChange;

/// The most changes of messages that are shown of a prompt, cases with the very same change being one.
const GROUPS: usize = 20;
/// The most values of settings.
const VALUES: usize = 100;
/// The most characters of a value.
const OF_VALUE: usize = 2_000;
/// Lines that stand in both, around what differs.
const CONTEXT: usize = 30;

/// The changes of a prompt, as the page unpacks them.
#[derive(Serialize)]
pub(super) struct Changed {
    files: Vec<Text>,
    settings: Vec<Text>,
    cases: Vec<Case>,
    /// Changes of messages that are not shown.
    more: usize,
}

/// Something that differs, under its name.
#[derive(Serialize)]
struct Text {
    name: String,
    note: &'static str,
    shown: Shown,
}

/// The messages of a case.
#[derive(Serialize)]
struct Case {
    name: String,
    /// The cases with the very same change.
    also: Vec<String>,
    also_more: usize,
    tokens: String,
    messages: Vec<Text>,
}

impl Changed {
    pub(super) fn of(change: &PromptChange) -> Self {
        let template = change.template.as_ref();
        let files = template.map(|template| template.files.as_slice()).unwrap_or_default();
        let settings = template.map(|template| template.settings.as_slice()).unwrap_or_default();
        let rendered = change.rendered.as_ref().map(|rendered| rendered.changed.as_slice()).unwrap_or_default();
        let mut groups: Vec<Vec<&RenderedCase>> = Vec::new();
        for case in rendered {
            match groups.iter_mut().find(|group| group[0].group == case.group) {
                Some(group) => group.push(case),
                None => groups.push(vec![case]),
            }
        }
        Self {
            files: files
                .iter()
                .map(|file| Text {
                    name: match &file.renamed_from {
                        Some(from) => shown(&format!("{from} → {}", file.path)),
                        None => shown(&file.path),
                    },
                    note: match file.kind {
                        FileKind::Added => "added",
                        FileKind::Removed => "removed",
                        FileKind::Changed => "",
                        FileKind::Renamed => "renamed",
                    },
                    shown: texts(file.old.as_deref(), file.new.as_deref()),
                })
                .collect(),
            settings: settings
                .iter()
                .map(|setting| Text { name: shown(&setting.setting), note: "", shown: values(&setting.changes) })
                .collect(),
            cases: groups.iter().take(GROUPS).map(|group| Case::of(group)).collect(),
            more: groups.len().saturating_sub(GROUPS),
        }
    }
}

impl Case {
    fn of(group: &[&RenderedCase]) -> Self {
        let tokens = |case: &RenderedCase| {
            let tokens = case.tokens.first().filter(|tokens| tokens.base != tokens.head)?;
            Some(format!("{} → {} tokens in", tokens.base, tokens.head))
        };
        Self {
            name: shown(group[0].case.as_str()),
            also: group.iter().skip(1).take(GROUPS).map(|case| shown(case.case.as_str())).collect(),
            also_more: group.len().saturating_sub(1 + GROUPS),
            tokens: tokens(group[0]).unwrap_or_default(),
            messages: group[0].messages.iter().map(message).collect(),
        }
    }
}

fn message(message: &MessageChange) -> Text {
    let name = match (message.old_role, message.role) {
        (Some(old), Some(new)) if old != new => format!("{old} → {new}"),
        (_, Some(role)) | (Some(role), None) => role.to_owned(),
        (None, None) => String::new(),
    };
    let note = match message.kind {
        MessageKind::Same => "the same",
        MessageKind::Changed => "",
        MessageKind::Added => "added",
        MessageKind::Removed => "removed",
    };
    // What is the same says nothing by being shown.
    let is_same = message.kind == MessageKind::Same;
    let text = |text: &Option<String>| text.clone().filter(|_| !is_same);
    Text { name, note, shown: texts(text(&message.old).as_deref(), text(&message.new).as_deref()) }
}

fn texts(old: Option<&str>, new: Option<&str>) -> Shown {
    let (old, new) = (old.unwrap_or_default().to_owned(), new.unwrap_or_default().to_owned());
    if old == new {
        return Shown { rows: Vec::new(), values: Vec::new(), more: 0, note: None };
    }
    difference(&Difference { what: "text".into(), old, new, json: false }, CONTEXT)
}

fn values(changes: &[JsonChange]) -> Shown {
    let row = |is: RowKind, value: &Option<serde_json::Value>| {
        let text = format!("{:#}", value.as_ref()?);
        let end = text.char_indices().nth(OF_VALUE).map_or(text.len(), |(at, _)| at);
        let cut = Some(text[end..].chars().count()).filter(|cut| *cut > 0);
        Some(Row { is, count: None, pieces: pieces(&text[..end], false), cut })
    };
    let values = changes.iter().take(VALUES).map(|change| Values {
        path: pieces(&change.path, false),
        old: row(RowKind::Removed, &change.old),
        new: row(RowKind::Added, &change.new),
    });
    Shown { rows: Vec::new(), values: values.collect(), more: changes.len().saturating_sub(VALUES), note: None }
}

/// Each prompt that changed, as it is told before anything is unpacked.
pub(super) fn summaries(changes: &Changes) -> Vec<Value> {
    changes.prompts.iter().map(summary).collect()
}

fn summary(change: &PromptChange) -> Value {
    let mut parts: Vec<String> = Vec::new();
    if let Some(template) = &change.template {
        let count = |count: usize, one, several| (count > 0).then(|| counted(count as u64, one, several));
        parts.extend(count(template.files.len(), "file", "files"));
        parts.extend(count(template.settings.len(), "setting", "settings"));
    }
    if let Some(rendered) = &change.rendered {
        if !rendered.changed.is_empty() {
            parts.push(format!(
                "messages of {} of {}",
                rendered.changed.len(),
                counted(rendered.compared, "case", "cases")
            ));
        }
        for (cases, what) in [
            (&rendered.only_head, "only in head"),
            (&rendered.only_base, "only in base"),
            (&rendered.expectations_changed, "with other expectations"),
        ] {
            if !cases.is_empty() {
                parts.push(format!("{} {what}", counted(cases.len() as u64, "case", "cases")));
            }
        }
    }
    let kind = match change.kind {
        PromptKind::Kept => None,
        PromptKind::Renamed => Some("renamed"),
        PromptKind::Added => Some("added"),
        PromptKind::Removed => Some("removed"),
    };
    context! {
        prompt => change.prompt.as_str(),
        renamed_from => change.renamed_from.as_deref(),
        kind,
        what => parts.join(", "),
        broken => change.broken.clone(),
        contract => change.contract.as_ref().filter(|contract| contract.is_told()).map(contract),
    }
}

fn contract(contract: &Contract) -> Value {
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "no version".to_owned());
    let has_version = contract.base_version.is_some() || contract.head_version.is_some();
    let mut lines: Vec<String> = contract
        .variables
        .iter()
        .map(|variable| {
            let declared = |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string);
            let both = match (declared(&variable.old), declared(&variable.new)) {
                (Some(old), Some(new)) => format!(": {old} → {new}"),
                (None, Some(one)) | (Some(one), None) => format!(": {one}"),
                (None, None) => String::new(),
            };
            format!("{} {}{both}", variable.name, variable.kind.name())
        })
        .collect();
    for (step, what) in [(contract.output, "the form of the answer"), (contract.tools, "the tools")] {
        if step > Step::None {
            lines.push(format!("{what}: {}", step.name()));
        }
    }
    context! {
        asks_for => contract.asks_for.name(),
        major => contract.asks_for == Step::Major,
        versions => has_version.then(|| format!("{} → {}", version(&contract.base_version), version(&contract.head_version))),
        lines,
        warning => contract.warning.as_deref(),
    }
}
