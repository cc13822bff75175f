//! A table for a spreadsheet: a row for each case on each model. What a spreadsheet would calculate is written as text.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use super::{Answers, Exported};
use crate::plan::{Item, Workspace};

/// A cell that no spreadsheet takes for a formula: one that begins like it gets an apostrophe in front.
fn cell(text: &str) -> Cow<'_, str> {
    let first = text.trim_start_matches([' ', '\u{a0}', '\u{feff}']).chars().next();
    if matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '|' | '%' | '＝' | '＋' | '－' | '＠')) {
        return Cow::Owned(format!("'{text}"));
    }
    Cow::Borrowed(text)
}

/// The file `cases.csv`: prompt, case, model, tags, a column for each variable, and the answer where there is one.
#[must_use]
pub fn table(workspace: &Workspace, items: &[Item], answers: &Answers<'_>) -> Exported {
    let mut exported = Exported::default();
    let names: BTreeSet<&String> =
        items.iter().flat_map(|item| workspace.cases.list[item.case].variables.iter().map(|(name, _)| name)).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["prompt", "case", "model", "tags"].iter().map(|name| (*name).to_owned());
    let header = header.chain(names.iter().map(|name| format!("var:{name}"))).chain(["answer".to_owned()]);
    let mut rows: Vec<Vec<String>> = vec![header.collect()];
    for item in items {
        let case = &workspace.cases.list[item.case];
        let mut row = vec![
            workspace.prompt_of(case).name.to_string(),
            case.name.to_string(),
            workspace.config.models[item.model].alias.to_string(),
            case.tags.join(" "),
        ];
        for name in &names {
            row.push(match case.variables.get(name) {
                Some(Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
                None => String::new(),
            });
        }
        let what = format!("`{}` › `{}` › `{}`", row[0], case.name, row[2]);
        if !case.turns.is_empty() {
            let message = format!("of the conversation {what} only the first answer is here");
            exported.lost(case.place.clone(), message, "the JSON report of `promptctl test` has every turn");
        }
        super::lost_of_samples(item, case, &what, &mut exported);
        row.push(answers(item).map(|answer| answer.text).unwrap_or_default());
        rows.push(row);
        exported.cases += 1;
    }
    for row in rows {
        // Writing into memory does not fail.
        let _ = writer.write_record(row.iter().map(|text| cell(text).into_owned()));
    }
    let bytes = writer.into_inner().unwrap_or_default();
    exported.add("cases.csv", String::from_utf8_lossy(&bytes).into_owned());
    exported
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for worst in
            ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u{feff}=1", "＝1", "%0A=1"]
        {
            assert!(cell(worst).starts_with('\''), "{worst:?}");
        }
        for plain in ["a=b", "", "1 - 1", "\"x\"", "ü"] {
            assert_eq!(cell(plain), plain);
        }
    }
}
