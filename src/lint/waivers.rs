//! Waivers: a comment beside what a rule has something against, with a reason, and with an end where one is wanted.
//!
//! `{# promptctl: allow W05 until=2026-12-31 reason="…" #}` in a template, the same behind `#` in YAML.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::finding::Finding;
use super::look::{Material, Subject};
use super::registry::{RULES, Rule, find};
use super::settings::Settings;
use super::text::Template;
use crate::case::cases_path;
use crate::core::problem::Source;
use crate::core::suggest::{did_you_mean, nearest};
use crate::core::time::parse_day;
use crate::project::{CONFIG_FILE, Level};

/// A waiver that was read.
#[derive(Clone, Debug)]
pub struct Waiver {
    /// The file.
    pub source: Arc<Source>,
    /// Where it stands.
    pub span: Range<usize>,
    /// The rules.
    pub rules: Vec<&'static Rule>,
    /// The last day on which it holds.
    pub until: Option<String>,
    /// Why.
    pub reason: String,
    /// Whether its end is over.
    pub is_expired: bool,
    /// How many findings it waived.
    pub used: usize,
    /// The same of each rule.
    each: Vec<usize>,
    /// Bytes of the file that it is about.
    scope: Range<usize>,
}

/// A comment that may be a waiver: the program's name, the word behind it, and the rest.
static WAIVER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\s*([A-Za-z][\w-]*)[ \t]*(:?)[ \t]*([A-Za-z]+)\b(.*)$").ok());
static IN_YAML: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?m)(?:^|[ \t])#[ \t]*(\S.*)$").ok());
static CODE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b[EWIL]\d\d\b").ok());
static SETTING: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"([\w-]+)\s*=\s*(?:"[^"]*"|\S+)"#).ok());
static REASON: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"\breason\s*=\s*(?:"([^"]*)"|(\S+))"#).ok());
static UNTIL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"\buntil\s*=\s*"?([^\s"]+)"?"#).ok());

/// What stands in a comment.
struct Written {
    rules: Vec<Result<&'static Rule, String>>,
    until: Option<Result<String, String>>,
    /// Why one of its settings is none.
    unknown: Option<String>,
    reason: String,
}

const KEYS: [&str; 2] = ["reason", "until"];

const NAME: &str = "promptctl";
const ALLOW: &str = "allow";
/// What other tools call it.
const OTHERWISE: [&str; 9] = ["ignore", "disable", "waive", "skip", "suppress", "noqa", "nolint", "accept", "permit"];

/// What a comment says behind `promptctl: allow`; `Err` where somebody meant that, and wrote something else.
fn waived(comment: &str) -> Option<Result<&str, String>> {
    let found = WAIVER.as_ref()?.captures(comment)?;
    let (name, colon, word, rest) = (&found[1], &found[2], &found[3], found.get(4)?.as_str());
    if (name, colon, word) == (NAME, ":", ALLOW) {
        return Some(Ok(rest));
    }
    let is_name = nearest(name, [NAME]).is_some();
    let is_allow = nearest(word, [ALLOW]).is_some() || OTHERWISE.contains(&word.to_lowercase().as_str());
    let tells = [&CODE, &REASON, &UNTIL].iter().any(|regex| regex.as_ref().is_some_and(|regex| regex.is_match(rest)));
    // A sentence about the program is none.
    if !is_name || !(tells || is_allow && colon == ":") {
        return None;
    }
    let why = match (name == NAME, colon) {
        (false, _) => format!("`{name}` is not `{NAME}`: this waives nothing"),
        (true, "") => format!("a colon is missing behind `{NAME}`: this waives nothing"),
        (true, _) => format!("`{word}` is not `{ALLOW}`: this waives nothing"),
    };
    Some(Err(why))
}

fn parse(rest: &str) -> Written {
    let reason = REASON.as_ref().and_then(|regex| regex.captures(rest));
    let until = UNTIL.as_ref().and_then(|regex| regex.captures(rest)).map(|found| {
        let day = &found[1];
        parse_day(day).ok_or_else(|| format!("until is `{day}`; write a day such as 2026-12-31"))
    });
    let names =
        rest.find('=').map_or(rest, |at| rest[..at].rsplit_once(char::is_whitespace).map_or("", |(names, _)| names));
    let names = names.split([',', ' ', '\t']).filter(|name| !name.is_empty());
    let reason = reason.and_then(|found| found.get(1).or(found.get(2)).map(|m| m.as_str().trim().to_owned()));
    let keys = SETTING.iter().flat_map(|regex| regex.captures_iter(rest)).filter_map(|found| found.get(1));
    let unknown = keys.map(|key| key.as_str()).find(|key| !KEYS.contains(key));
    let unknown = unknown.map(|key| format!("a waiver has no `{key}`{}", did_you_mean(key, KEYS)));
    Written { rules: names.map(find).collect(), until, unknown, reason: reason.unwrap_or_default() }
}

fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code == code)
}

struct Reader<'a> {
    today: &'a str,
    settings: &'a Settings,
    waivers: Vec<Waiver>,
    wrong: Vec<Finding>,
}

impl Reader<'_> {
    fn add(&mut self, source: &Arc<Source>, span: Range<usize>, comment: &str, scope: Range<usize>) {
        let written = match waived(comment.trim_end()) {
            None => return,
            Some(Err(why)) => return self.report("L04", source, span, why),
            Some(Ok(rest)) => parse(rest),
        };
        if let Some(why) = written.unknown {
            return self.report("L04", source, span, why);
        }
        let is_bare = written.rules.is_empty();
        let mut rules = Vec::new();
        for named in written.rules {
            match named {
                Ok(rule) => rules.push(rule),
                Err(why) => self.report("L04", source, span.clone(), why),
            }
        }
        if rules.is_empty() {
            if is_bare {
                self.report("L04", source, span, "the waiver names no rule".to_owned());
            }
            return;
        }
        let until = match written.until {
            Some(Err(why)) => return self.report("L04", source, span, why),
            until => until.and_then(Result::ok),
        };
        if written.reason.is_empty() {
            return self.report("L01", source, span, "the waiver gives no reason, so it waives nothing".to_owned());
        }
        let is_expired = until.as_ref().is_some_and(|day| self.today > day.as_str());
        if let (true, Some(day)) = (is_expired, &until) {
            let message = format!("the waiver ended on {day}, and waives nothing any more");
            self.report("L02", source, span.clone(), message);
        }
        let source = Arc::clone(source);
        let (each, reason) = (vec![0; rules.len()], written.reason);
        self.waivers.push(Waiver { source, span, rules, until, reason, is_expired, used: 0, each, scope });
    }

    fn report(&mut self, code: &str, source: &Arc<Source>, span: Range<usize>, message: String) {
        let Some(rule) = rule(code) else { return };
        let level = self.settings.of(rule).0;
        if level != Level::Off {
            self.wrong.push(Finding::new(rule, level, source, span, message));
        }
    }

    fn template(&mut self, template: &Template) {
        for comment in &template.comments {
            let scope = scope_in_template(template, &comment.span);
            let text = template.written(comment.text.clone()).replace('\n', " ");
            self.add(&template.source, comment.span.clone(), &text, scope);
        }
        let whole = 0..template.source.text.len();
        self.yaml(&template.source, 0..template.body, whole);
    }

    /// The comments of YAML in a part of a file. One before the first key is about `whole`.
    fn yaml(&mut self, source: &Arc<Source>, part: Range<usize>, whole: Range<usize>) {
        let text = &source.text[part.clone()];
        let comments = IN_YAML.iter().flat_map(|regex| regex.captures_iter(text)).filter_map(|found| found.get(1));
        for found in comments.filter(|found| waived(found.as_str().trim_end()).is_some()) {
            let is_first = text[..found.start()].lines().all(|line| {
                let line = line.trim();
                line.is_empty() || line.starts_with('#') || line == "---"
            });
            let at = part.start + found.start();
            let scope = if is_first { whole.clone() } else { scope_in_yaml(source, at, part.end) };
            self.add(source, at..part.start + found.end(), found.as_str(), scope);
        }
    }
}

/// The line, where something stands before the comment; else the next paragraph, or all of the tag that begins it. What
/// stands before everything else is about the whole file.
fn scope_in_template(template: &Template, comment: &Range<usize>) -> Range<usize> {
    let text = &template.source.text;
    let is_nothing = |range: Range<usize>| {
        let in_tag =
            template.tags.iter().map(|tag| &tag.span).any(|span| span.start < range.end && range.start < span.end);
        let code = text[range.clone()].trim();
        let is_comment = template.comments.iter().any(|c| c.span.start <= range.start && range.end <= c.span.end);
        is_comment || (!in_tag && (code.is_empty() || code.starts_with("{#") && code.ends_with("#}")))
    };
    if is_nothing(template.body..comment.start) {
        return 0..text.len();
    }
    let line = text[..comment.start].rfind('\n').map_or(0, |at| at + 1);
    if !is_nothing(line..comment.start) {
        return line..text[comment.end..].find('\n').map_or(text.len(), |at| comment.end + at);
    }
    let mut at = comment.end;
    let mut started = None;
    for part in text[comment.end..].split_inclusive('\n') {
        let range = at..at + part.len();
        at = range.end;
        match started {
            None if is_nothing(range.clone()) => {}
            None => {
                let indent = range.start + (part.len() - part.trim_start().len());
                if let Some(end) =
                    template.tags.iter().position(|tag| tag.span.start == indent).and_then(|i| closing(template, i))
                {
                    return comment.start..end;
                }
                started = Some(range.end);
            }
            Some(_) if part.trim().is_empty() => return comment.start..range.start,
            Some(_) => started = Some(range.end),
        }
    }
    comment.start..started.unwrap_or(text.len())
}

/// Where the tag ends that closes another one.
fn closing(template: &Template, open: usize) -> Option<usize> {
    let keyword = &template.tags.get(open)?.keyword;
    let end = format!("end{keyword}");
    let mut depth = 0_usize;
    for tag in &template.tags[open..] {
        if tag.keyword == *keyword {
            depth += 1;
        } else if tag.keyword == end {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(tag.span.end);
            }
        }
    }
    None
}

/// The line, where a key stands before the comment; else the next key with everything below it.
fn scope_in_yaml(source: &Source, comment: usize, end: usize) -> Range<usize> {
    let text = &source.text[..end];
    let line = text[..comment].rfind('\n').map_or(0, |at| at + 1);
    let next = text[comment..].find('\n').map_or(end, |at| comment + at + 1);
    if !text[line..comment].trim_matches(['#', ' ', '\t']).is_empty() {
        return line..next;
    }
    let mut at = next;
    let mut first: Option<usize> = None;
    for part in text[next..].split_inclusive('\n') {
        let blank = part.len() - part.trim_start().len();
        let is_empty = part.trim().is_empty() || part.trim_start().starts_with('#');
        match first {
            _ if is_empty => {}
            None => first = Some(blank),
            Some(indent) if blank <= indent => return line..at,
            Some(_) => {}
        }
        at += part.len();
    }
    line..end
}

/// Every waiver of what is looked at, and what is wrong with them.
pub(super) fn read(
    material: &Material<'_>,
    subjects: &[Subject<'_>],
    templates: &[&Template],
    settings: &Settings,
) -> (Vec<Waiver>, Vec<Finding>) {
    let mut reader = Reader { today: &material.evidence.today, settings, waivers: Vec::new(), wrong: Vec::new() };
    for template in templates {
        reader.template(template);
    }
    let of_cases = subjects.iter().filter(|subject| !subject.cases.is_empty());
    let files = of_cases.map(|subject| cases_path(&subject.prompt.name).to_string());
    for path in files.chain([CONFIG_FILE.to_owned()]) {
        if let Some(source) = material.file(&path) {
            let whole = 0..source.text.len();
            reader.yaml(&source, whole.clone(), whole);
        }
    }
    (reader.waivers, reader.wrong)
}

/// Whether a finding is waived.
pub(super) fn waive(waivers: &mut [Waiver], finding: &Finding) -> bool {
    let mut waived = false;
    for waiver in waivers.iter_mut().filter(|waiver| !waiver.is_expired) {
        let is_in = waiver.source.path == finding.source.path
            && waiver.scope.start <= finding.span.start
            && finding.span.start <= waiver.scope.end;
        let named = waiver.rules.iter().position(|rule| rule.code == finding.rule.code).filter(|_| is_in);
        if let Some(place) = named {
            waiver.used += 1;
            waiver.each[place] += 1;
            waived = true;
        }
    }
    waived
}

/// Waivers that waived nothing, or nothing of one of their rules, as far as those were looked for.
pub(super) fn unused(waivers: &[Waiver], settings: &Settings, on: &[&'static Rule]) -> Vec<Finding> {
    let Some(rule) = rule("L03").filter(|rule| settings.of(rule).0 != Level::Off) else { return Vec::new() };
    let is_looked_for = |rule: &Rule| on.iter().any(|on| on.code == rule.code);
    let told = |waiver: &Waiver| {
        let each = waiver.rules.iter().zip(&waiver.each).filter(|(rule, used)| **used == 0 && is_looked_for(rule));
        let idle: Vec<&str> = each.map(|(rule, _)| rule.code).collect();
        let codes: Vec<&str> = waiver.rules.iter().map(|rule| rule.code).collect();
        let message = if idle.is_empty() {
            return None;
        } else if idle.len() == codes.len() {
            format!("the waiver of {} waives nothing", codes.join(", "))
        } else {
            format!("the waiver of {} waives nothing of {}", codes.join(", "), idle.join(", "))
        };
        Some(Finding::new(rule, settings.of(rule).0, &waiver.source, waiver.span.clone(), message))
    };
    waivers.iter().filter(|waiver| !waiver.is_expired).filter_map(told).collect()
}
