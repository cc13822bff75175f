//! The card of data for fine-tuning: what they are, where they are from, and what was looked at. The last part is for a person.

use std::collections::BTreeMap;

use super::escape::{code, fence, text};
use super::{NAME, SENTENCE};
use crate::core::words::counted;
use crate::export::fine_tune::{Card, Example, Side, Standing};

/// What stands behind this line is what people write.
pub const KEPT: &str = "<!-- What stands below this line is yours: another export keeps it. -->";
/// The most rows of a table.
const ROWS: usize = 200;

/// The whole card.
#[must_use]
pub fn data_card(card: &Card<'_>) -> String {
    let mut page = String::from("# Data for fine-tuning\n\n");
    page.push_str(&facts(card));
    page.push_str(&prompts(card));
    page.push_str(&answered(card));
    page.push_str(&split(card));
    page.push_str(&checks(card));
    page.push_str(&left_out(card));
    page.push_str("## To make it again\n\n");
    page.push_str(&fence("console", &format!("$ {}", card.command)));
    page.push_str(&format!("\n## By a person\n\n{KEPT}\n\n"));
    for question in [
        "What the tuned model is for, and what it is not for:",
        "Where the cases are from, and under which licence:",
        "Whether the people in them agreed, and how they can withdraw:",
        "Whether the terms of the models that answered allow to learn from their answers:",
        "Who looked at the data, and when:",
    ] {
        page.push_str(&format!("- {question}\n"));
    }
    page
}

fn facts(card: &Card<'_>) -> String {
    let options = &card.record.asked.options;
    let examples = &card.found.examples;
    let by_person = examples.iter().filter(|example| example.by_person).count();
    let commit = card.record.maker.commit.as_deref().map_or_else(
        || "none: no repository".to_owned(),
        |commit| {
            format!(
                "{}{}",
                code(commit, NAME),
                if card.record.maker.edited == Some(true) { ", edited since" } else { "" }
            )
        },
    );
    let system = if options.keeps_system { "kept" } else { "left out" };
    let tokens: u64 = examples.iter().map(|example| example.tokens).sum();
    let longest = examples.iter().map(|example| example.tokens).max().unwrap_or(0);
    let counted_by = if examples.iter().all(|example| example.counted) {
        "counted by the vocabulary of the model that answered"
    } else {
        "estimated: about four bytes each"
    };
    let rows = [
        ("commit", commit),
        (
            "examples",
            format!(
                "{} ({by_person} accepted by a person, {} by what is expected of them)",
                examples.len(),
                examples.len() - by_person
            ),
        ),
        ("form of the lines", format!("{}, instructions {system}", options.format.name())),
        ("tokens", format!("{tokens} in all, {longest} in the longest line; {counted_by}")),
    ];
    let rows: String = rows.iter().map(|(name, value)| format!("| {name} | {value} |\n")).collect();
    format!(
        "Accepted answers of the prompts below, written by {}.\n\n| | |\n| --- | --- |\n{rows}\n",
        code(&card.record.maker.made_by, NAME)
    )
}

/// Examples to learn from and held out, under a name each.
fn sums<'e>(card: &'e Card<'_>, names: impl Fn(&'e Example) -> Vec<String>) -> BTreeMap<String, [usize; 2]> {
    let mut sums: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for (example, side) in card.found.examples.iter().zip(&card.division.sides) {
        for name in names(example) {
            sums.entry(name).or_default()[usize::from(*side == Side::Validation)] += 1;
        }
    }
    sums
}

fn table(title: &str, head: &str, sums: &BTreeMap<String, [usize; 2]>) -> String {
    let columns = head.matches('|').count() + 1;
    let mut page =
        format!("## {title}\n\n| {head} | to learn from | held out |\n|{} ---: | ---: |\n", " --- |".repeat(columns));
    for (name, [train, held]) in sums.iter().take(ROWS) {
        page.push_str(&format!("| {name} | {train} | {held} |\n"));
    }
    if sums.len() > ROWS {
        page.push_str(&format!("\nand {} more\n", sums.len() - ROWS));
    }
    page.push('\n');
    page
}

fn prompts(card: &Card<'_>) -> String {
    let row = |example: &Example| {
        let version = example.version.as_deref().map_or_else(|| "-".to_owned(), |version| code(version, NAME));
        let digest = example.prompt_digest.get(..12).unwrap_or_default();
        vec![format!("{} | {version} | {}", code(example.prompt.as_str(), NAME), code(digest, NAME))]
    };
    let tags = sums(card, |example| example.tags.iter().map(|tag| code(tag, NAME)).collect());
    let tags = if tags.is_empty() { String::new() } else { table("Tags", "tag", &tags) };
    format!("{}{tags}", table("Prompts", "prompt | version | digest", &sums(card, row)))
}

fn answered(card: &Card<'_>) -> String {
    let row =
        |example: &Example| vec![format!("{} | {}", code(example.model.as_str(), NAME), code(&example.served, NAME))];
    table("Models that answered", "model | id", &sums(card, row))
}

fn split(card: &Card<'_>) -> String {
    let options = &card.record.asked.options;
    let (groups, largest) = card.division.largest();
    let (train, held) = (card.division.count(Side::Train), card.division.count(Side::Validation));
    format!(
        "## Split\n\n{train} to learn from, {held} held out (asked for: {} of all, seed {}). Cases of one group, cases that say the same or nearly the same, and a case \
         that several models answered are on one side: {}, the largest of {}. A side is decided by a hash of the seed and the group, \
         not by the order.\n\n",
        options.holdout,
        options.seed,
        counted(groups as u64, "group", "groups"),
        counted(largest as u64, "example", "examples"),
    )
}

fn checks(card: &Card<'_>) -> String {
    let mut page = "## Checks\n\n| check | | figures |\n| --- | --- | --- |\n".to_owned();
    for check in card.checks {
        let standing = match check.standing {
            Standing::Refused => "refused, and written by `--force`",
            Standing::Warned => "warned",
            Standing::Good => "good",
        };
        let cases = check.cases.join("; ");
        let cases = if cases.is_empty() { String::new() } else { format!(": {cases}") };
        page.push_str(&format!(
            "| {} | {standing} | {} |\n",
            code(check.code, NAME),
            text(&format!("{}{cases}", check.sentence), SENTENCE)
        ));
    }
    page.push('\n');
    page
}

fn left_out(card: &Card<'_>) -> String {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &card.found.left_out {
        *reasons.entry(one.code).or_default() += 1;
    }
    if reasons.is_empty() {
        return "## Left out\n\nNothing.\n\n".to_owned();
    }
    let rows: String =
        reasons.iter().map(|(reason, count)| format!("| {} | {count} |\n", code(reason, NAME))).collect();
    format!("## Left out\n\n| why | answers |\n| --- | ---: |\n{rows}\n")
}
