//! The cases of a prompt on both sides, rendered once for all layers.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::rename::PairedPrompt;
use super::side::TreeSide;
use crate::case::Case;
use crate::core::names::{CaseName, PromptName};
use crate::core::problem::Problem;
use crate::core::record::Message;
use crate::plan::Workspace;

/// A case of one side with its messages, or why there are none.
pub(super) struct RenderedSide<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) case: &'a Case,
    pub(super) messages: Result<Vec<Message>, String>,
}

/// A case on both sides, or on one.
pub(super) struct CasePair<'a> {
    pub(super) name: CaseName,
    pub(super) base: Option<RenderedSide<'a>>,
    pub(super) head: Option<RenderedSide<'a>>,
}

/// Pairs the selected cases of a prompt by their names, in head's order, then those that only base has.
pub(super) fn pair_cases<'a>(
    (base, base_cases): (&'a TreeSide, &[usize]),
    (head, head_cases): (&'a TreeSide, &[usize]),
    pair: &PairedPrompt,
) -> Vec<CasePair<'a>> {
    let of_base = pair.base.as_ref().map(|name| cases(base, base_cases, name)).unwrap_or_default();
    let of_head = pair.head.as_ref().map(|name| cases(head, head_cases, name)).unwrap_or_default();
    let by_name: BTreeMap<&CaseName, &Found<'a>> = of_base.iter().map(|found| (&found.1.name, found)).collect();
    let known: BTreeSet<&CaseName> = of_head.iter().map(|(_, case)| &case.name).collect();
    let mut pairs: Vec<(Option<&Found<'a>>, Option<&Found<'a>>)> =
        of_head.iter().map(|found| (by_name.get(&found.1.name).copied(), Some(found))).collect();
    let only_base = of_base.iter().filter(|(_, case)| !known.contains(&case.name));
    pairs.extend(only_base.map(|found| (Some(found), None)));
    let rendered = |(base, head): &(Option<&Found<'a>>, Option<&Found<'a>>)| {
        let case = head.or(*base)?.1;
        Some(CasePair { name: case.name.clone(), base: base.map(render), head: head.map(render) })
    };
    pairs.par_iter().filter_map(rendered).collect()
}

type Found<'a> = (&'a Workspace, &'a Case);

fn cases<'a>(side: &'a TreeSide, selected: &[usize], name: &PromptName) -> Vec<Found<'a>> {
    let (Some(workspace), Some((index, _))) = (side.workspace(), side.prompt(name)) else { return Vec::new() };
    let all = selected.iter().filter_map(|i| workspace.cases.list.get(*i));
    all.filter(|case| case.prompt == index).map(|case| (workspace, case)).collect()
}

fn render<'a>((workspace, case): &Found<'a>) -> RenderedSide<'a> {
    RenderedSide { workspace, case, messages: workspace.messages(case).map_err(|problem| sentence(&problem, case)) }
}

/// A problem of a case in one line, the same for all cases that it is the same for.
fn sentence(problem: &Problem, case: &Case) -> String {
    let own = format!("case `{}`: ", case.name);
    let message = problem.message.strip_prefix(&own).unwrap_or(&problem.message);
    Problem::error(problem.place.clone(), message).in_a_line()
}
