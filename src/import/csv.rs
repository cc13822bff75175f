//! A table of tests as the cases of one prompt.

use super::draft::PromptDraft;
use super::expectations::Around;
use super::intake::{Intake, ending};
use super::promptfoo::{Test, add_rows};
use super::{table, template};
use crate::core::names::PromptName;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems};
use crate::prompt::{ENDING, PROMPTS};
use crate::tree::Tree;

/// Reads a table into the cases of a prompt; one that the project has not is made, with a template of the variables.
pub(super) fn read(intake: &mut Intake<'_>, path: &TreePath, prompt: &str, target: &dyn Tree) -> Result<(), Problems> {
    let usage = |message: String| Problems::from(Problem::error(Place::Nowhere, message));
    let name = PromptName::new(prompt).map_err(usage)?;
    if ending(path.file_name()) != "csv" {
        let problem = Problem::error(Place::File(path.to_string()), "a table of tests is a .csv file");
        return Err(problem.into());
    }
    let source = intake.tree.source(path).map_err(|error| Problems::from(error.into_problem()))?;
    if let Some(line) = table::unclosed_quote(&source.text) {
        let problem = Problem::error(Place::Line(source.path.clone(), line), table::OPEN);
        return Err(problem.help("close it: `\"` at the end of the text, and `\"\"` for a quote within it").into());
    }
    let folder = path.parent();
    let none = |_: &mut Intake<'_>, _: &std::sync::Arc<crate::core::problem::Source>, _: &crate::core::yaml::Node| None;
    let around = Around { folder: &folder, judge: None, templates: None, provider: &none };
    let rows = table::rows(intake, &source, &around);
    if rows.is_empty() {
        let problem = Problem::error(Place::File(path.to_string()), "the table has no row");
        return Err(problem.into());
    }
    let place = Place::File(path.to_string());
    let known = TreePath::new(&format!("{PROMPTS}/{name}{ENDING}")).map(|path| target.text(&path));
    let mut draft = match known {
        Ok(Ok(text)) => {
            PromptDraft { is_there: true, ..PromptDraft::new(prompt, body_of(&text).to_owned(), place.clone()) }
        }
        _ => PromptDraft::new(prompt, template_of(&rows), place.clone()),
    };
    draft.name = name.to_string();
    if !draft.is_there {
        let message =
            format!("the table says nothing of the prompt itself; `{PROMPTS}/{name}{ENDING}` only lists its variables");
        intake.findings.note(place.clone(), message, "write the prompt there");
    }
    let index = intake.draft.add_prompt(draft);
    add_rows(intake, index, rows);
    Ok(())
}

/// A template without its front matter.
fn body_of(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("---\n") else { return text };
    rest.split_once("\n---\n").map_or(text, |(_, body)| body)
}

/// A template with a line for each variable that a column is named after.
fn template_of(rows: &[Test]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flat_map(|row| &row.variables) {
        let is_name = template::variables(&format!("{{{{ {name} }}}}")).is_some_and(|all| all.contains(name));
        if is_name && !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.iter().map(|name| format!("{name}: {{{{ {name} }}}}\n")).collect()
}
