//! Which branches of the templates cases render: a copy of every template, with a mark in each branch, is rendered with
//! the variables of every case, and the marks are looked at.
//!
//! A mark prints nothing and takes away the white space that its tag took away, so the copies render what the templates do.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use minijinja::Value;
use minijinja::machinery::Token;
use rayon::prelude::*;

use super::environment::pure;
use super::load::{PROMPTS, Prompts, join_names};
use super::messages::{register, with_nonce};
use super::reach::tokens;
use super::render::Limited;
use super::variables::Variables;

/// The functions of the copies; no template can mean them.
const SEEN: &str = "__promptctl_seen";
const WHEN: &str = "__promptctl_when";

/// A way through a template that a case may take or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// What it is, in words.
    pub what: &'static str,
    /// The tag or expression that decides, in bytes of the file.
    pub span: Range<usize>,
    /// What is rendered then, in bytes of the file; `None` where that is nothing, or a part of a line.
    pub region: Option<Range<usize>>,
    /// The conditions that none of may hold to take it, in bytes of the file; empty where it is another one.
    pub unless: Vec<Range<usize>>,
    /// Whether a case takes it.
    pub is_seen: bool,
}

/// Which branches of which templates are rendered.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    files: BTreeMap<String, (bool, Vec<Branch>)>,
}

impl Coverage {
    /// The branches of a template, in the order of the file.
    #[must_use]
    pub fn branches(&self, key: &str) -> &[Branch] {
        self.files.get(key).map_or(&[], |(_, branches)| branches)
    }

    /// Whether any case renders a template at all.
    #[must_use]
    pub fn is_rendered(&self, key: &str) -> bool {
        self.files.get(key).is_some_and(|(seen, _)| *seen)
    }
}

impl Prompts {
    /// Renders cases, each the index of its prompt and its variables, and says which branches they take.
    #[must_use]
    pub fn coverage(&self, cases: Vec<(usize, &Variables)>) -> Coverage {
        let mut marker = Marker::default();
        let mut env = pure();
        register(&mut env);
        env.set_path_join_callback(|name, parent| join_names(name, parent).into());
        let mut files = BTreeMap::new();
        for (key, template) in &self.templates {
            let (copy, first, ways) = marker.mark(template.text());
            // What cannot be compiled was reported when it was loaded.
            if env.add_template_owned(key.clone(), copy).is_ok() {
                files.insert(key.clone(), (first, ways, template.body));
            }
        }
        let marks: Arc<[AtomicBool]> = (0..marker.count).map(|_| AtomicBool::new(false)).collect();
        let set = |marks: &[AtomicBool], place: usize| {
            if let Some(mark) = marks.get(place) {
                mark.store(true, Ordering::Relaxed);
            }
        };
        let seen = Arc::clone(&marks);
        env.add_function(SEEN, move |place: usize| {
            set(&seen, place);
            ""
        });
        let when = Arc::clone(&marks);
        env.add_function(WHEN, move |place: usize, value: Value| {
            set(&when, place + usize::from(!value.is_true()));
            value
        });
        cases.into_par_iter().for_each(|(prompt, variables)| {
            let Some(key) = self.list.get(prompt).and_then(|prompt| prompt.path.below(PROMPTS)) else { return };
            let Ok(template) = env.get_template(key) else { return };
            // A case that cannot be rendered is reported elsewhere; what it reached until then it reached.
            let render = || template.render_captured_to(variables.to_jinja(), &mut Limited::default()).is_ok();
            with_nonce(&variables.nonce(), render);
        });
        let is_seen = |place: usize| marks.get(place).is_some_and(|mark| mark.load(Ordering::Relaxed));
        let moved = |body: usize, range: Range<usize>| body + range.start..body + range.end;
        let branch = |way: Way, body: usize| Branch {
            what: way.what,
            span: moved(body, way.span),
            region: way.region.map(|range| moved(body, range)),
            unless: way.unless.into_iter().map(|range| moved(body, range)).collect(),
            is_seen: is_seen(way.mark),
        };
        let file = |(key, (first, ways, body)): (String, (usize, Vec<Way>, usize))| {
            (key, (is_seen(first), ways.into_iter().map(|way| branch(way, body)).collect()))
        };
        Coverage { files: files.into_iter().map(file).collect() }
    }
}

/// A branch before it is known whether it is taken.
#[derive(Debug)]
struct Way {
    what: &'static str,
    span: Range<usize>,
    region: Option<Range<usize>>,
    unless: Vec<Range<usize>>,
    mark: usize,
}

/// A tag that is not closed yet.
struct Open {
    keyword: &'static str,
    /// The branch that it is in.
    way: Option<usize>,
    /// The mark of its last condition; the next one is that of its contrary.
    condition: Option<(usize, Range<usize>)>,
    /// The conditions so far.
    conditions: Vec<Range<usize>>,
}

/// Gives every branch of every template a number of its own.
#[derive(Default)]
struct Marker {
    count: usize,
}

impl Marker {
    fn next(&mut self, count: usize) -> usize {
        self.count += count;
        self.count - count
    }

    /// A copy of a template with marks, the mark of the template itself, and its branches.
    fn mark(&mut self, body: &str) -> (String, usize, Vec<Way>) {
        let first = self.next(1);
        let mut copy =
            Copy { body, inserts: vec![(0, format!("{{{{ {SEEN}({first}) }}}}"))], ways: Vec::new(), open: Vec::new() };
        let tokens = tokens(body);
        let mut start = None;
        for (i, (token, _)) in tokens.iter().enumerate() {
            match token {
                Token::VariableStart | Token::BlockStart => start = Some(i),
                Token::VariableEnd | Token::BlockEnd => {
                    if let Some(start) = start.take() {
                        copy.tag(self, &tokens[start..=i]);
                    }
                }
                _ => {}
            }
        }
        copy.inserts.sort_by_key(|(at, _)| *at);
        let mut text = String::with_capacity(body.len() + copy.inserts.len() * 40);
        let mut at = 0;
        for (place, insert) in &copy.inserts {
            text.push_str(&body[at..*place]);
            text.push_str(insert);
            at = *place;
        }
        text.push_str(&body[at..]);
        (text, first, copy.ways)
    }
}

struct Copy<'t> {
    body: &'t str,
    inserts: Vec<(usize, String)>,
    ways: Vec<Way>,
    open: Vec<Open>,
}

impl Copy<'_> {
    fn tag(&mut self, marker: &mut Marker, tokens: &[(Token<'_>, Range<usize>)]) {
        let (Some((first, from)), Some((_, to))) = (tokens.first(), tokens.last()) else { return };
        let span = from.start..to.end;
        let keyword = match (first, tokens.get(1)) {
            (Token::BlockStart, Some((Token::Ident(keyword), _))) => *keyword,
            _ => "",
        };
        match keyword {
            "if" | "elif" => {
                let mark = marker.next(2);
                let mut own = span.clone();
                if let [_, (_, word), .., (_, end)] = tokens {
                    own = word.end..end.start;
                    self.inserts.push((word.end, format!(" {WHEN}({mark}, (")));
                    self.inserts.push((end.start, ")) ".to_owned()));
                }
                let what = if keyword == "if" { "this `if`" } else { "this `elif`" };
                let way = self.way(what, span.clone(), true, mark);
                let condition = Some((mark, span.clone()));
                if keyword == "if" {
                    self.open.push(Open { keyword: "if", way: Some(way), condition, conditions: vec![own] });
                } else if let Some(open) = self.open.last_mut() {
                    let before = open.way.replace(way);
                    open.condition = condition;
                    open.conditions.push(own);
                    self.close(before, span.start);
                }
            }
            "else" => self.otherwise(marker, span.clone()),
            "for" | "macro" => {
                let mark = self.seen(marker, span.end);
                let (keyword, what) =
                    if keyword == "for" { ("for", "the body of this `for`") } else { ("macro", "this macro") };
                let way = self.way(what, span.clone(), true, mark);
                self.open.push(Open { keyword, way: Some(way), condition: None, conditions: Vec::new() });
            }
            "endif" | "endfor" | "endmacro" => {
                if self.open.last().is_some_and(|open| format!("end{}", open.keyword) == keyword)
                    && let Some(open) = self.open.pop()
                {
                    self.close(open.way, span.start);
                    if let Some((mark, tag)) = open.condition {
                        let way = self.way("the contrary of this condition", tag, false, mark + 1);
                        self.ways[way].unless = open.conditions;
                    }
                }
            }
            _ => {}
        }
        self.conditional(marker, keyword, tokens);
    }

    fn otherwise(&mut self, marker: &mut Marker, span: Range<usize>) {
        let Some(open) = self.open.last_mut() else { return };
        let (before, condition) = (open.way.take(), open.condition.take());
        let conditions = std::mem::take(&mut open.conditions);
        let is_for = open.keyword == "for";
        self.close(before, span.start);
        let mark = match condition {
            Some((mark, _)) => mark + 1,
            None => self.seen(marker, span.end),
        };
        let what = if is_for { "the `else` of this `for`" } else { "this `else`" };
        let way = self.way(what, span, true, mark);
        self.ways[way].unless = conditions;
        if let Some(open) = self.open.last_mut() {
            open.way = Some(way);
        }
    }

    fn way(&mut self, what: &'static str, span: Range<usize>, has_region: bool, mark: usize) -> usize {
        let region = has_region.then_some(span.end..span.end);
        self.ways.push(Way { what, span, region, unless: Vec::new(), mark });
        self.ways.len() - 1
    }

    fn close(&mut self, way: Option<usize>, end: usize) {
        if let Some(region) = way.and_then(|way| self.ways.get_mut(way)).and_then(|way| way.region.as_mut()) {
            region.end = end;
        }
    }

    /// A mark behind a tag, which takes away what the tag took away.
    fn seen(&mut self, marker: &mut Marker, end: usize) -> usize {
        let mark = marker.next(1);
        let dash = if self.body[..end].ends_with("-%}") { "-" } else { "" };
        self.inserts.push((end, format!("{{{{ {SEEN}({mark}) {dash}}}}}")));
        mark
    }

    /// The conditions of `A if B else C`.
    fn conditional(&mut self, marker: &mut Marker, keyword: &str, tokens: &[(Token<'_>, Range<usize>)]) {
        let mut depth = 0_i32;
        // `A if B else C if D else E`: the conditions so far, by depth.
        let mut before: BTreeMap<i32, Vec<Range<usize>>> = BTreeMap::new();
        // That of a loop chooses what it goes over; the keyword of a tag is none of an expression.
        for (i, (token, _)) in tokens.iter().enumerate().skip(if keyword.is_empty() { 1 } else { 2 }) {
            depth += nesting(token);
            before.retain(|known, _| *known <= depth);
            if matches!(token, Token::Comma | Token::Colon) {
                before.remove(&depth);
            }
            if !matches!(token, Token::Ident("if")) || (keyword == "for" && depth == 0) {
                continue;
            }
            if matches!(tokens[i - 1].0, Token::Dot | Token::Pipe) {
                continue;
            }
            let mut inner = 0_i32;
            let end = tokens[i + 1..].iter().position(|(token, _)| {
                inner += nesting(token);
                let ends = matches!(
                    token,
                    Token::Ident("else" | "if") | Token::Comma | Token::VariableEnd | Token::BlockEnd | Token::Colon
                );
                inner < 0 || (inner == 0 && ends)
            });
            let Some(last) = end.filter(|length| *length > 0).map(|length| i + length) else { continue };
            let mark = marker.next(2);
            let condition = tokens[i + 1].1.start..tokens[last].1.end;
            self.inserts.push((condition.start, format!("{WHEN}({mark}, (")));
            self.inserts.push((condition.end, "))".to_owned()));
            self.way("the case that this holds", condition.clone(), false, mark);
            let unless = before.entry(depth).or_default();
            unless.push(condition.clone());
            let unless = unless.clone();
            let way = self.way("the case that this does not hold", condition, false, mark + 1);
            self.ways[way].unless = unless;
        }
    }
}

fn nesting(token: &Token<'_>) -> i32 {
    match token {
        Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => 1,
        Token::ParenClose | Token::BracketClose | Token::BraceClose => -1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(body: &str) -> (String, Vec<Way>) {
        let (copy, _, ways) = Marker::default().mark(body);
        (copy, ways)
    }

    fn rendered(text: &str, values: &Value) -> (String, Vec<usize>) {
        let mut env = pure();
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (one, other) = (Arc::clone(&seen), Arc::clone(&seen));
        env.add_function(SEEN, move |place: usize| {
            one.lock().expect("no panic").push(place);
            ""
        });
        env.add_function(WHEN, move |place: usize, value: Value| {
            other.lock().expect("no panic").push(place + usize::from(!value.is_true()));
            value
        });
        let text = env.render_str(text, values.clone()).expect("rendered");
        let seen = seen.lock().expect("no panic").clone();
        (text, seen)
    }

    #[test]
    fn a_copy_renders_what_the_template_renders() {
        let templates = [
            "a {%- if x -%}  b {%- elif y %} c {% else -%} d {%- endif %} e\n",
            "{% for i in items if i > 1 -%}\n {{ i if i % 2 else 'even' }}{% if not loop.last %}, {% endif %}\n{%- else %} none {% endfor %}.",
            "{% macro m(a, b=1 if x else 2) -%} {{ a }}{{ b }} {%- endmacro %}{{ m('q') }}{{ m('r', b=(3 if y else 4)) }}",
            "{% set z = ['a' if x else 'b', 'c' if x and y else 'd' if y else 'e'] %}{{ z|join(' ') }}{{ {'k': 1 if x else 2}.k }}",
            "{% raw %}{% if %}{{ if }}{% endraw %}{# {% if #}{{ 'if' }}{% if items|length > 1 and (x or y) %}yes{% endif %}",
            "{% for i in (items if x else []) %}{{ i }}{% endfor %}{% filter upper %}{% if y %}y{% else %}n{% endif %}{% endfilter %}",
            "{{ 'only' if x }}{% set s %}  {% if x %} in {% endif %}{% endset %}[{{ s }}]",
        ];
        for body in templates {
            for (x, y, items) in
                [(true, false, vec![1, 2, 3]), (false, true, vec![]), (true, true, vec![2]), (false, false, vec![4, 5])]
            {
                let values = minijinja::context! { x, y, items };
                let (copy, ways) = copy(body);
                assert_eq!(rendered(&copy, &values).0, rendered(body, &values).0, "{body}\n{copy}");
                assert!(!ways.is_empty(), "{body}");
            }
        }
    }

    #[test]
    fn branches_are_told_apart() {
        let body = "{% if x %}A{% elif y %}B{% endif %}{{ 1 if y else 2 }}{% for i in items %}C{% else %}D{% endfor %}";
        let (copy, ways) = copy(body);
        let (_, seen) = rendered(&copy, &minijinja::context! { x => false, y => true, items => Vec::<i32>::new() });
        let told: Vec<(&str, bool)> = ways
            .iter()
            .map(|way| (way.region.clone().map_or(way.what, |region| &body[region]), seen.contains(&way.mark)))
            .collect();
        assert_eq!(
            told,
            [
                ("A", false),
                ("B", true),
                ("the contrary of this condition", false),
                ("the case that this holds", true),
                ("the case that this does not hold", false),
                ("C", false),
                ("D", true),
            ]
        );
    }
}
