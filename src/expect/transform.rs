//! What is done to an answer before a check looks at it.

use std::sync::Arc;

use minijinja::context;
use minijinja::value::merge_maps;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::argument::read_path;
use super::fence::{Block, blocks};
use super::text::BACKTRACKS;
use crate::core::decode::Decoder;
use crate::core::yaml::{Data, Node};
use crate::prompt::Inline;

/// One step.
#[derive(Clone)]
enum Step {
    Trim,
    Lower,
    /// The inside of a fence that is the whole answer; any other answer as it is.
    StripFence,
    /// The inside of the first fence, of a language where one is named.
    CodeFence(Option<String>),
    /// What stands at a path of the answer's JSON.
    JsonPath(Arc<JsonPath>),
    /// What a group of a regex matches.
    Regex(Arc<Matcher>, Group),
    /// A template over the case's variables, `output`, and `json` where the answer is some.
    Template(Inline),
}

/// A regex: of the kind that never takes long, or one with lookaround or backreferences, which gives up after a while.
enum Matcher {
    Plain(regex::Regex),
    Fancy(fancy_regex::Regex),
}

#[derive(Clone)]
enum Group {
    Number(usize),
    Name(String),
}

/// The steps as they are written, in their order.
pub(super) struct Transform {
    steps: Vec<Step>,
}

/// The same for a case.
pub(super) struct BoundTransform {
    steps: Vec<Step>,
    variables: minijinja::Value,
}

const NAMES: &str =
    "`trim`, `lower`, `strip-fence`, `code-fence`, `{ json-path: … }`, `{ regex: … }`, `{ template: … }`";

impl Transform {
    pub(super) fn read(decoder: &mut Decoder<'_>, node: &Node) -> Option<Self> {
        let nodes = match &node.data {
            Data::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if nodes.is_empty() {
            decoder.error(node.span.clone(), "`transform` has no step");
            return None;
        }
        let mut steps = Vec::with_capacity(nodes.len());
        for node in nodes {
            steps.push(read_step(decoder, node)?);
        }
        Some(Self { steps })
    }

    /// The variables of the case that it mentions.
    pub(super) fn variables(&self) -> impl Iterator<Item = String> {
        let inlines = self.steps.iter().filter_map(|step| match step {
            Step::Template(inline) => Some(inline),
            _ => None,
        });
        inlines
            .flat_map(|inline| inline.variables().to_vec())
            .filter(|name| !["output", "json"].contains(&name.as_str()))
    }

    /// For a case. An error names a variable that its templates cannot do without, and that the case does not give.
    pub(super) fn bind(&self, variables: &minijinja::Value) -> Result<BoundTransform, String> {
        for name in self.variables() {
            if variables.get_attr(&name).is_ok_and(|value| !value.is_undefined()) {
                continue;
            }
            // A template may say itself what stands in its place: `{{ x | default('') }}`.
            let undefined = format!("`{name}` is undefined");
            let mut templates = self.steps.iter().filter(|step| matches!(step, Step::Template(_)));
            if templates.any(|step| step.apply("{}".to_owned(), variables).is_err_and(|why| why.contains(&undefined))) {
                let known = variables.try_iter().into_iter().flatten().map(|key| key.to_string());
                let known: Vec<String> = ["output", "json"].map(str::to_owned).into_iter().chain(known).collect();
                let hint = crate::core::suggest::did_you_mean(&name, known.iter().map(String::as_str));
                return Err(format!("`transform` uses `{name}`, which is none of {}{hint}", known.join(", ")));
            }
        }
        Ok(BoundTransform { steps: self.steps.clone(), variables: variables.clone() })
    }
}

fn read_step(decoder: &mut Decoder<'_>, node: &Node) -> Option<Step> {
    if let Data::Text(name) = &node.data {
        return match name.as_str() {
            "trim" => Some(Step::Trim),
            "lower" => Some(Step::Lower),
            "strip-fence" => Some(Step::StripFence),
            "code-fence" => Some(Step::CodeFence(None)),
            _ => {
                let hint = crate::core::suggest::did_you_mean(name, ["trim", "lower", "strip-fence", "code-fence"]);
                let message = format!("there is no transform `{name}`{hint}");
                decoder.error_help(node.span.clone(), message, format!("known: {NAMES}"));
                None
            }
        };
    }
    let fields =
        decoder.fields(node, "a transform", &["json-path", "regex", "group", "flags", "template", "code-fence"])?;
    let kinds = ["json-path", "regex", "template", "code-fence"].into_iter();
    let given: Vec<(&str, &Node)> = kinds.filter_map(|kind| Some((kind, fields.get(kind)?))).collect();
    let [(kind, value)] = given[..] else {
        decoder.error_help(node.span.clone(), "a transform is one of them", format!("known: {NAMES}"));
        return None;
    };
    if let Some((key, _)) =
        fields.iter().find(|(key, _)| kind != "regex" && ["group", "flags"].contains(&key.text.as_str()))
    {
        decoder.error(key.span.clone(), format!("`{kind}` knows no `{}`", key.text));
        return None;
    }
    let text = decoder.text(value, kind)?;
    match kind {
        "json-path" => Some(Step::JsonPath(read_path(decoder, value, &text)?)),
        "code-fence" => Some(Step::CodeFence(Some(text))),
        "template" => match Inline::new(&text) {
            Ok(inline) if inline.is_template() => Some(Step::Template(inline)),
            Ok(_) => {
                decoder
                    .error(value.span.clone(), "this template is the same text for every answer; name `output` in it");
                None
            }
            Err(why) => {
                decoder.error(value.span.clone(), format!("this template is wrong: {why}"));
                None
            }
        },
        _ => {
            let flags = match fields.get("flags") {
                Some(node) => decoder.text(node, "flags")?,
                None => String::new(),
            };
            let regex = match regex_of(&text, &flags) {
                Ok(regex) => regex,
                Err(why) => {
                    decoder.error(value.span.clone(), why);
                    return None;
                }
            };
            let group = match fields.get("group").map(|node| (node, &node.data)) {
                None => Group::Number(usize::from(regex.groups().len() > 1)),
                Some((node, Data::Number(..))) => {
                    Group::Number(usize::try_from(decoder.count(node, "group", 0)?).ok()?)
                }
                Some((node, _)) => Group::Name(decoder.text(node, "group")?),
            };
            let is_there = match &group {
                Group::Number(number) => *number < regex.groups().len(),
                Group::Name(name) => regex.groups().into_iter().flatten().any(|known| known == name),
            };
            if !is_there {
                decoder.error(fields.get("group").unwrap_or(value).span.clone(), "this regex has no such group");
                return None;
            }
            Some(Step::Regex(Arc::new(regex), group))
        }
    }
}

fn regex_of(pattern: &str, flags: &str) -> Result<Matcher, String> {
    if !flags.chars().all(|c| "imsxu".contains(c)) {
        return Err("flags are letters of `i` (case), `m` (lines), `s` (dot matches all), `x`, `u`".to_owned());
    }
    let whole = if flags.is_empty() { pattern.to_owned() } else { format!("(?{flags}){pattern}") };
    regex::Regex::new(&whole).map(Matcher::Plain).or_else(|error| {
        let fancy = fancy_regex::RegexBuilder::new(&whole).backtrack_limit(BACKTRACKS).build();
        fancy.map(Matcher::Fancy).map_err(|_| {
            let text = error.to_string();
            let why = text.lines().last().unwrap_or(&text).trim_start_matches("error: ");
            format!("this regex does not compile: {why}")
        })
    })
}

impl Matcher {
    fn pattern(&self) -> &str {
        match self {
            Self::Plain(regex) => regex.as_str(),
            Self::Fancy(regex) => regex.as_str(),
        }
    }

    /// The groups, with their names where they have any; the first is the whole match.
    fn groups(&self) -> Vec<Option<&str>> {
        match self {
            Self::Plain(regex) => regex.capture_names().collect(),
            Self::Fancy(regex) => regex.capture_names().collect(),
        }
    }

    /// What a group matches first. An error says why nothing.
    fn find(&self, text: &str, group: &Group) -> Result<String, String> {
        let pattern = self.pattern();
        let nowhere = || format!("`{pattern}` matches nowhere");
        let found = match self {
            Self::Plain(regex) => {
                let captures = regex.captures(text).ok_or_else(nowhere)?;
                let found = match group {
                    Group::Number(number) => captures.get(*number),
                    Group::Name(name) => captures.name(name),
                };
                found.map(|found| found.as_str().to_owned())
            }
            Self::Fancy(regex) => {
                let captures = regex.captures(text).map_err(|error| format!("`{pattern}` gave up: {error}"))?;
                let captures = captures.ok_or_else(nowhere)?;
                let found = match group {
                    Group::Number(number) => captures.get(*number),
                    Group::Name(name) => captures.name(name),
                };
                found.map(|found| found.as_str().to_owned())
            }
        };
        found.ok_or_else(|| "the group matches nothing".to_owned())
    }
}

impl BoundTransform {
    /// What is left of an answer. An error says which step found nothing.
    pub(super) fn apply(&self, answer: &str) -> Result<String, String> {
        let mut text = answer.to_owned();
        for step in &self.steps {
            text = step.apply(text, &self.variables).map_err(|why| format!("`transform`: {why}"))?;
        }
        Ok(text)
    }
}

impl Step {
    fn apply(&self, text: String, variables: &minijinja::Value) -> Result<String, String> {
        match self {
            Self::Trim => Ok(text.trim().to_owned()),
            Self::Lower => Ok(text.to_lowercase()),
            Self::StripFence => Ok(whole_fence(&text).unwrap_or(text)),
            Self::CodeFence(language) => {
                let mut all = blocks(&text).into_iter();
                let found = all
                    .find(|block| language.as_ref().is_none_or(|language| block.language == language.to_lowercase()));
                let of = language.as_ref().map(|language| format!(" of `{language}`")).unwrap_or_default();
                found.map(|block| inside(&block).to_owned()).ok_or_else(|| format!("the answer has no code fence{of}"))
            }
            Self::JsonPath(path) => {
                let json: Value =
                    serde_json::from_str(&text).map_err(|error| super::schema::not_json(&text, &error))?;
                let values = path.query(&json).all();
                match values[..] {
                    [] => Err(format!("nothing stands at `{path}`")),
                    [Value::String(text)] => Ok(text.clone()),
                    [value] => Ok(value.to_string()),
                    _ => Ok(serde_json::to_string(&values).unwrap_or_default()),
                }
            }
            Self::Regex(regex, group) => regex.find(&text, group),
            Self::Template(inline) => {
                let json = serde_json::from_str::<Value>(&text).map_or(minijinja::Value::UNDEFINED, |value| {
                    minijinja::Value::from(minijinja::value::Serde(&value))
                });
                let own = context! { output => text, json };
                let all = if variables.is_undefined() { own } else { merge_maps([variables.clone(), own]) };
                inline.render(&all)
            }
        }
    }
}

/// The inside of a fence that is the whole text.
fn whole_fence(text: &str) -> Option<String> {
    match &blocks(text)[..] {
        [block] if text[..block.whole.start].trim().is_empty() && text[block.whole.end..].trim().is_empty() => {
            Some(inside(block).to_owned())
        }
        _ => None,
    }
}

/// What stands in a block, without its last line end.
pub(super) fn inside<'t>(block: &Block<'t>) -> &'t str {
    let body = block.body.strip_suffix('\n').unwrap_or(block.body);
    body.strip_suffix('\r').unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookaround_was_refused_in_transforms() {
        let find = |pattern: &str, group: Group, text: &str| regex_of(pattern, "").expect(pattern).find(text, &group);
        assert_eq!(find(r"(?<=total: )\d+", Group::Number(0), "total: 42").as_deref(), Ok("42"));
        assert_eq!(find(r"(?<=: )(?P<n>\d+)(?!\d|%)", Group::Name("n".into()), "7: 42").as_deref(), Ok("42"));
        assert_eq!(find(r"(a)\1", Group::Number(1), "xaa").as_deref(), Ok("a"));
        assert!(find(r"(?<=x)y", Group::Number(0), "zy").is_err_and(|why| why.contains("matches nowhere")));
        assert!(find(r"^(a+)+\1b$", Group::Number(0), &"a".repeat(60)).is_err());
        assert!(regex_of("(?<=", "").is_err());
    }

    #[test]
    fn a_fence_is_stripped_only_where_it_is_the_whole() {
        assert_eq!(whole_fence("\n```\na\r\n```\n ").as_deref(), Some("a"));
        assert_eq!(whole_fence("a\n```\nb\n```"), None);
        assert_eq!(whole_fence("```a```"), None);
        assert_eq!(whole_fence("```\n```").as_deref(), Some(""));
    }
}
