//! A row of a data set as a case: what its templates make of its columns.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::file::{CasesFile, Written, WrittenDataset};
use super::relevant::Relevant;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problems, Source};
use crate::prompt::Inline;

/// What a row makes of the templates of its data set.
pub(super) struct RenderedRow {
    pub(super) name: String,
    pub(super) tags: Vec<String>,
    pub(super) group: Option<String>,
    pub(super) variables: Map<String, Value>,
    pub(super) facts: Vec<String>,
    pub(super) relevant: Vec<Relevant>,
}

/// The templates over a row: its name, its tags, its group, its facts, and variables that are made from its columns.
pub(super) struct RowTemplates {
    name: Option<Inline>,
    tags: Vec<Inline>,
    group: Option<Inline>,
    variables: Vec<(String, Inline)>,
    facts: Vec<Inline>,
    relevant: Vec<(Inline, f64)>,
}

impl RowTemplates {
    pub(super) fn new(
        source: &Arc<Source>,
        file: &CasesFile,
        written: &WrittenDataset,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut compile = |text: &str, span: std::ops::Range<usize>| match Inline::new(text) {
            Ok(inline) => Some(inline),
            Err(why) => {
                problems.error(Place::span(source, span), why);
                None
            }
        };
        let mut complete = true;
        let mut optional = |written: &Option<(String, std::ops::Range<usize>)>| {
            let (text, span) = written.as_ref()?;
            let inline = compile(text, span.clone());
            complete &= inline.is_some();
            inline
        };
        let (name, group) = (optional(&written.name), optional(&written.group));
        let fixed = file.tags.iter().map(|tag| (tag, 0..0));
        let mut tags = Vec::new();
        for (text, span) in fixed.chain(written.tags.iter().map(|(tag, span)| (tag, span.clone()))) {
            tags.extend(compile(text, span));
        }
        complete &= tags.len() == file.tags.len() + written.tags.len();
        let mut variables = Vec::new();
        for variable in &written.variables {
            if let Written::Value(Value::String(text)) = &variable.written {
                match compile(text, variable.span.clone()) {
                    Some(inline) if inline.is_template() => variables.push((variable.name.clone(), inline)),
                    Some(_) => {}
                    None => complete = false,
                }
            }
        }
        let mut facts = Vec::new();
        for fact in &written.common.facts {
            if let Written::Value(Value::String(text)) = &fact.written {
                match compile(text, fact.span.clone()) {
                    Some(inline) => facts.push(inline),
                    None => complete = false,
                }
            }
        }
        let mut relevant = Vec::new();
        for Relevant { id, grade } in &written.common.relevant {
            match compile(id, written.span.clone()) {
                Some(inline) => relevant.push((inline, *grade)),
                None => complete = false,
            }
        }
        complete.then_some(Self { name, tags, group, variables, facts, relevant })
    }

    pub(super) fn render(
        &self,
        row: &Map<String, Value>,
        extra: &Map<String, Value>,
        number: usize,
        path: &TreePath,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<RenderedRow> {
        let context = minijinja::Value::from(minijinja::value::Serde(row));
        let mut render = |inline: &Inline, what: &str| match inline.render(&context) {
            Ok(text) => Some(text),
            Err(why) => {
                problems.error(place.clone(), format!("the {what} of this row cannot be rendered: {why}"));
                None
            }
        };
        let name = match &self.name {
            Some(inline) => render(inline, "name")?,
            None => default_name(row, path, number),
        };
        let mut tags = Vec::with_capacity(self.tags.len());
        for inline in &self.tags {
            tags.push(render(inline, "tag")?);
        }
        tags.retain(|tag| !tag.trim().is_empty());
        let group = match &self.group {
            Some(inline) => Some(render(inline, "group")?).filter(|group| !group.trim().is_empty()),
            None => None,
        };
        let mut variables = row.clone();
        variables.extend(extra.iter().map(|(name, value)| (name.clone(), value.clone())));
        for (name, inline) in &self.variables {
            variables.insert(name.clone(), Value::String(render(inline, "variable")?));
        }
        let mut facts = Vec::with_capacity(self.facts.len());
        for inline in &self.facts {
            facts.push(render(inline, "fact")?);
        }
        // A row may know none.
        facts.retain(|fact| !fact.trim().is_empty());
        let mut relevant = Vec::with_capacity(self.relevant.len());
        for (inline, grade) in &self.relevant {
            relevant.push(Relevant { id: render(inline, "relevant document")?, grade: *grade });
        }
        relevant.retain(|document| !document.id.trim().is_empty());
        Some(RenderedRow { name, tags, group, variables, facts, relevant })
    }
}

/// A row without a name is called by its `name` or `id`, else by its file and number.
pub(super) fn default_name(row: &Map<String, Value>, path: &TreePath, number: usize) -> String {
    for column in ["name", "id"] {
        match row.get(column) {
            Some(Value::String(text)) if !text.trim().is_empty() => return text.clone(),
            Some(Value::Number(n)) => return n.to_string(),
            _ => {}
        }
    }
    format!("{} {}", path.file_name(), number + 1)
}
