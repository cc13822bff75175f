//! Every rule: its code, its name, how severe it is, what it looks at, why, and what to do. One line a rule.

use super::look::{Look, Sink, Subject};
use super::text::Template;
use super::{
    churn, contradictions, copied, evidence, examples, exercised, files, history, models, output, portable, private,
    size, structure, style, untrusted, wording,
};
use crate::core::problem::Mistake;
use crate::core::suggest::did_you_mean;
use crate::project::Level;

/// What a rule looks at.
#[derive(Clone, Copy)]
pub(super) enum Check {
    /// Each template by itself.
    Template(fn(&Look<'_>, &Template, &mut Sink)),
    /// Each prompt with its partials and cases.
    Prompt(fn(&Look<'_>, &Subject<'_>, &mut Sink)),
    /// The project as a whole.
    Project(fn(&Look<'_>, &mut Sink)),
    /// Comments that allow something.
    Waiver,
}

/// A number that a project may set.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// What it is called in `promptctl.yaml`.
    pub name: &'static str,
    /// What it is where nobody says.
    pub default: f64,
    /// Whether 0 says something of its own: any at all, or no least size.
    from_zero: bool,
}

/// A rule.
pub struct Rule {
    /// Its code, which never changes.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How severe it is where nobody says.
    pub level: Level,
    /// Why.
    pub reason: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// What can be set.
    pub limits: &'static [Limit],
    pub(super) check: Check,
}

impl Limit {
    /// Why a number cannot be what is set, where it cannot: with it the rule would say something always, or never.
    #[must_use]
    pub fn refuses(&self, value: f64) -> Option<String> {
        match self.name {
            "share" if value >= 1.0 => Some(format!("{} is a part of 1, such as {}", self.name, self.default)),
            "factor" | "without-case" if value <= 1.0 => {
                Some(format!("{} must be above 1: {} is half as much again", self.name, 1.5))
            }
            "share" if value <= 0.0 => Some(format!("{} must be above 0, such as {}", self.name, self.default)),
            "share" | "factor" | "without-case" | "per-hundred-words" => None,
            _ if value.fract() != 0.0 => {
                Some(format!("{} must be a whole number, such as {}", self.name, self.default))
            }
            _ if value < 1.0 && !self.from_zero => Some(format!("{} must be 1 at the least", self.name)),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code)
    }
}

/// The rule of a code or a name, of those, too, that are held when a project is loaded; `Err` says that there is none.
pub fn explained(name: &str) -> Result<&'static Rule, String> {
    let is = |rule: &&Rule| rule.code.eq_ignore_ascii_case(name) || rule.name == name;
    REFUSED.iter().find(is).map_or_else(|| find(name), Ok)
}

/// The rule that a mistake of a project breaks.
pub(super) fn broken(mistake: Option<Mistake>) -> &'static Rule {
    let code = match mistake {
        Some(Mistake::UndefinedVariable) => "E01",
        Some(Mistake::ConflictMarker) => "E03",
        Some(Mistake::Partial) => "E05",
        Some(Mistake::UnknownOrDouble) => "E06",
        None => "E00",
    };
    REFUSED.iter().chain(RULES).find(|rule| rule.code == code).unwrap_or(&REFUSED[0])
}

/// The rule of a code or a name; `Err` says that there is none.
pub fn find(name: &str) -> Result<&'static Rule, String> {
    let is = |rule: &&Rule| rule.code.eq_ignore_ascii_case(name) || rule.name == name;
    RULES.iter().find(is).ok_or_else(|| {
        if let Some(rule) = REFUSED.iter().find(is) {
            let (code, name) = (rule.code, rule.name);
            return format!(
                "the rule {code} `{name}` is held when the project is loaded: it is always on, and an error"
            );
        }
        let names = RULES.iter().map(|rule| rule.name);
        let hint = did_you_mean(name, names.chain(RULES.iter().map(|rule| rule.code)));
        format!("there is no rule `{name}`{hint}")
    })
}

use Check::{Project, Prompt, Template as Text, Waiver};
use Level::{Error, Info, Off, Warning};

const fn rule(
    code: &'static str,
    name: &'static str,
    level: Level,
    check: Check,
    limits: &'static [Limit],
    reason: &'static str,
    fix: &'static str,
) -> Rule {
    Rule { code, name, level, reason, fix, limits, check }
}

const fn limit(name: &'static str, default: f64) -> Limit {
    Limit { name, default, from_zero: false }
}

const fn from_zero(name: &'static str, default: f64) -> Limit {
    Limit { name, default, from_zero: true }
}

/// What loading a project refuses, by code: neither set nor waived, but named in reports.
#[rustfmt::skip]
pub static REFUSED: &[Rule] = &[
    rule("E00", "mistake", Error, Waiver, &[], "a project with mistakes cannot be used", "mend it"),
    rule("E01", "undefined-variable", Error, Waiver, &[], "what nobody gives cannot be rendered, and what nobody uses is misspelt", "declare it under `vars:`, and give it in the cases"),
    rule("E05", "missing-partial", Error, Waiver, &[], "what it includes is not there, or is itself", "write it, or include another one"),
    rule("E06", "unknown-or-double", Error, Waiver, &[], "what is misspelt, or stands twice, does not do what its author thinks", "take it out, or name it otherwise"),
];

/// All rules, by code.
#[rustfmt::skip]
pub static RULES: &[Rule] = &[
    rule("E02", "secret", Error, Project(private::secret), &[], "whoever has the repository has the key", "revoke it, and take it out of the file and of git's history"),
    rule("E03", "conflict-marker", Error, Project(files::conflict), &[], "a model is sent both sides of a merge, and the marks", "choose one side, and remove the lines with the marks"),
    rule("E04", "invisible-character", Error, Project(files::invisible), &[], "nobody sees it in review, and the model reads it", "remove it"),
    rule("E07", "context-overflow", Error, Prompt(size::overflow), &[], "what does not fit is refused or cut off", "shorten what is sent, lower `max_tokens`, or take a model with a larger window"),
    rule("E08", "version-unmoved", Warning, Prompt(history::unmoved), &[], "two contents under one version cannot be told apart afterwards", "`promptctl bump PROMPT patch`, or minor or major where callers must know"),
    rule("E09", "example-breaks-schema", Error, Prompt(examples::breaks_schema), &[], "a model follows the example rather than the schema", "make the example one that the schema accepts"),
    rule("E10", "example-is-case", Error, Prompt(examples::is_case), &[], "a case whose answer the prompt gives away proves nothing", "take another example, or another case"),
    rule("I01", "unstructured", Info, Prompt(style::unstructured), &[limit("tokens", 200.0)], "in a wall of text instructions are overlooked", "use headings, lists or tags"),
    rule("I02", "late-critical", Info, Prompt(style::late), &[from_zero("tokens", 400.0), limit("share", 0.75)], "models follow early instructions more than late ones", "move what must never go wrong to the front"),
    rule("I03", "many-instructions", Info, Prompt(style::many_instructions), &[limit("count", 20.0), limit("warn", 40.0)], "the more instructions, the fewer are followed", "drop those that no case needs, or make two prompts of it"),
    rule("I04", "vague", Info, Text(style::vague), &[], "what it means is decided anew with every answer", "say how many, how long, when"),
    rule("I05", "long-sentence", Info, Text(style::long), &[limit("words", 40.0), limit("characters", 1200.0)], "long sentences hide conditions", "make several of it, or a list"),
    rule("I06", "more-negations", Info, Prompt(history::negations), &[limit("count", 3.0)], "one prohibition more for each bad answer is how prompts grow sick", "say what is wanted instead of what is not"),
    rule("I07", "model-name", Info, Text(wording::model_name), &[], "the next model is another one, and the text stays", "leave it out, or make it a variable"),
    rule("I08", "no-output-format", Off, Prompt(output::no_format), &[from_zero("words", 100.0)], "an answer of any form is an answer that nothing can rely on", "say what an answer looks like, or set `output:`"),
    rule("I09", "example-imbalance", Info, Prompt(examples::imbalance), &[limit("count", 5.0), limit("share", 0.8)], "a model leans towards the answer that most examples have", "give about as many examples of each answer"),
    rule("I10", "sibling-drift", Info, Project(history::drift), &[from_zero("words", 15.0)], "a paragraph that was shared was changed on one side only", "change both, or make a partial of it"),
    rule("I11", "sampling-unset", Info, Project(models::sampling), &[], "the provider's default decides, and may change", "set `temperature` under `params:`"),
    rule("I12", "max-tokens-unset", Info, Project(models::unlimited), &[], "nothing bounds what an answer costs", "set a limit such as `max_tokens` under `params:`"),
    rule("I13", "undated-model", Info, Project(models::undated), &[], "the vendor can put another model behind the name", "name a dated version of the model"),
    rule("I14", "churn", Info, Project(churn::churn), &[limit("commits", 6.0), limit("lines", 6.0), limit("reverts", 2.0), limit("flips", 3.0)], "a row of small patches says that the prompt is not understood", "rewrite it with its cases beside you, or make two prompts of it"),
    rule("I15", "never-failed", Info, Prompt(churn::never_failed), &[limit("runs", 20.0), from_zero("digests", 3.0)], "a case that no change ever broke may not be able to fail", "make its expectations stricter, or remove it"),
    rule("I16", "fixed-share", Info, Prompt(size::fixed_share), &[limit("share", 0.9), from_zero("tokens", 1000.0)], "most of what each request costs is the same text again", "shorten it, or put it in front so that the provider can cache it"),
    rule("I17", "many-examples", Info, Prompt(examples::many), &[from_zero("count", 8.0)], "examples are paid for with every request, and after a few they add little", "keep those that a case needs"),
    rule("I18", "only-snapshot", Info, Prompt(evidence::only_snapshot), &[], "an accepted answer says what was, not what must be", "say with `expect:` what an answer must have"),
    rule("I19", "copied-block", Info, Project(copied::blocks), &[limit("lines", 3.0), from_zero("characters", 80.0)], "one copy is changed without the others", "make a partial of it: `{% include \"_shared/NAME.j2\" %}`"),
    rule("I20", "unexercised-example", Info, Prompt(exercised::unexercised), &[limit("examples", 3.0)], "nobody notices when what it shows is wrong, or in vain", "write a case that expects this answer, or take the example out"),
    rule("I21", "copied-instruction", Info, Project(copied::instructions), &[limit("prompts", 3.0), limit("words", 8.0), limit("share", 0.9)], "one copy is changed without the others", "make a partial of it: `{% include \"_shared/NAME.j2\" %}`"),
    rule("I22", "hard-coded-version", Info, Text(wording::version), &[], "the next release has another one, and the text stays", "leave it out, or make it a variable"),
    rule("L01", "waiver-without-reason", Error, Waiver, &[], "nobody can tell later whether it still holds", "add `reason=\"…\"`"),
    rule("L02", "waiver-expired", Warning, Waiver, &[], "somebody meant to come back", "mend what it waived, or set another `until`"),
    rule("L03", "waiver-unused", Info, Waiver, &[], "it would hide the next one", "remove it"),
    rule("L04", "waiver-malformed", Error, Waiver, &[], "it does not waive what its author thinks", "write `promptctl: allow CODE until=2026-12-31 reason=\"…\"`"),
    rule("W01", "unused-variable", Warning, Prompt(structure::unused_variable), &[], "every case must give it, for nothing", "use it in the template, or take it out of `vars:`"),
    rule("W02", "single-brace", Warning, Text(structure::single_brace), &[], "in single braces it is plain text, and the model sees the name instead of the value", "write two braces"),
    rule("W03", "format-in-words", Warning, Prompt(output::unshown), &[], "which keys, and of which types, is left to the model", "set `output: { schema: … }`, or show an example"),
    rule("W04", "no-cases", Warning, Prompt(evidence::no_cases), &[], "nobody notices when it breaks", "write a case in fixtures/PROMPT/cases.yaml"),
    rule("W05", "emphasis", Warning, Text(wording::emphasis), &[limit("count", 5.0), limit("some", 3.0), limit("per-hundred-words", 1.0)], "where everything is important nothing is", "say it plainly, once, in the right place"),
    rule("W06", "repeated-instruction", Warning, Text(wording::repeated), &[limit("count", 3.0)], "saying it again does not make it clearer, and one copy is changed without the others", "say it once"),
    rule("W07", "growth", Warning, Prompt(history::growth), &[limit("factor", 1.5), limit("without-case", 1.2), from_zero("tokens", 100.0)], "prompts grow by patches that nobody measures", "take out what the new text replaces, and add a case for what it is for"),
    rule("W08", "moving-model", Warning, Project(models::moving), &[], "its answers change on a day that no commit shows", "name a dated version of the model"),
    rule("W09", "retiring-model", Warning, Project(models::retiring), &[from_zero("days", 60.0)], "on that day every request fails", "compare with its successor: `promptctl compare --base-model OLD --head-model NEW`"),
    rule("W10", "hard-coded-date", Warning, Text(wording::date), &[], "it is wrong from the next day on", "make it a variable"),
    rule("W11", "contradiction", Warning, Prompt(contradictions::contradiction), &[], "which of the two wins is decided anew with every answer", "keep one of them, or say when which holds"),
    rule("W12", "undelimited-variable", Warning, Prompt(untrusted::undelimited), &[from_zero("characters", 200.0)], "the model cannot see where the value ends and the instructions go on", "put tags or quotes around it: `<text>{{ text }}</text>`"),
    rule("W13", "stale-recording", Warning, Prompt(evidence::stale_recording), &[], "what is replayed answers another request", "`promptctl test PROMPT` where models can be asked"),
    rule("W14", "todo", Warning, Text(wording::todo), &[], "what was put off is still to do", "do it, or make it an issue"),
    rule("W15", "near-limit", Warning, Prompt(evidence::near_limit), &[limit("share", 0.8)], "the next longer answer is cut off", "raise the limit, or ask for less"),
    rule("W16", "trailing-space", Warning, Text(wording::trailing_space), &[], "a blank at the end of a prompt changes how many models go on", "remove it"),
    rule("W17", "quarantine-expired", Warning, Prompt(evidence::quarantine), &[], "somebody meant to come back", "take `quarantine` out, or set another `until`"),
    rule("W18", "tool-not-offered", Warning, Prompt(output::tool), &[], "a model that is told of a tool it does not have makes its call up", "offer it under `tools:`, or do not name it"),
    rule("W19", "keys-not-in-schema", Warning, Prompt(output::keys), &[], "the text and the schema ask for different things", "name the keys of the schema"),
    rule("W20", "size-instructions", Warning, Prompt(size::instructions), &[limit("tokens", 1500.0)], "beyond this size prompting stops paying off: instructions get lost, and nobody knows which of them matter", "make several prompts of it, take out what no case needs, or tune a model"),
    rule("W22", "untrusted-in-system", Warning, Prompt(untrusted::in_system), &[], "what the user writes gets the authority of the application", "put it into the user's message, or say `trusted: true` of the variable"),
    rule("W23", "unused-partial", Warning, Project(structure::unused_partial), &[], "nobody knows whether it still matters", "remove it, or include it"),
    rule("W24", "uncovered-branch", Warning, Text(evidence::uncovered), &[], "what no case renders breaks without anybody noticing", "write a case that takes this way"),
    rule("W25", "commented-out", Warning, Text(wording::commented_out), &[], "git keeps what was there before", "remove it"),
    rule("W26", "ignored-variable", Warning, Prompt(structure::ignored), &[], "who reads the case thinks that it matters", "take it out of the cases"),
    rule("W27", "unasserted-case", Warning, Prompt(evidence::unasserted), &[], "it is green whatever comes", "add `expect:`, or `snapshot: text`"),
    rule("W28", "old-recording", Warning, Prompt(evidence::old_recording), &[limit("days", 90.0)], "the model behind the name may answer otherwise by now", "`promptctl drift`, or `promptctl test --refresh PROMPT`"),
    rule("W29", "stale-snapshot", Warning, Prompt(evidence::stale_snapshot), &[], "what was accepted answers another request", "`promptctl test PROMPT`, and review what changed"),
    rule("W30", "flaky-case", Warning, Prompt(churn::flaky), &[limit("runs", 3.0)], "nobody believes a case that fails now and then", "ask for several samples (`repeat:`), or make the expectation or the prompt clearer"),
    rule("W31", "personal-data", Warning, Project(private::personal), &[], "whoever has the repository has it, and so has the provider", "replace it by something made up"),
    rule("W32", "deep-logic", Warning, Text(structure::deep), &[from_zero("depth", 3.0)], "nobody can say what is sent when", "decide it in code, and give the template a variable"),
    rule("W33", "no-abstention", Warning, Prompt(untrusted::no_abstention), &[], "a model that may not say that the documents do not tell makes an answer up", "say what to answer when the documents do not say it"),
    rule("W34", "context-share", Warning, Prompt(size::context_share), &[limit("share", 0.5)], "in the middle of a full window things get lost, and there is no room to grow", "send less: fewer documents, shorter ones"),
    rule("W35", "jinja2-differs", Off, Text(portable::differs), &[], "an application that renders the prompt with Python's Jinja2 sends something else than was tested", "write what both make the same of"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_sorted_and_no_name_is_given_twice() {
        let codes: Vec<&str> = RULES.iter().map(|rule| rule.code).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        for rule in RULES {
            assert_eq!(RULES.iter().filter(|other| other.name == rule.name).count(), 1, "{}", rule.name);
            assert!(find(rule.code).is_ok_and(|found| found.name == rule.name));
            assert!(find(rule.name).is_ok_and(|found| found.code == rule.code));
        }
        assert!(find("emphasiss").is_err_and(|why| why.contains("did you mean \"emphasis\"")));
    }
}
