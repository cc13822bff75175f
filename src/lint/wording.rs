//! What words tell by themselves: dates, names of models, what was put off, shouting, repetition, what nobody can see.

use std::collections::{BTreeMap, BTreeSet};

use super::branches::Branches;
use super::look::{Look, Sink};
use super::pattern;
use super::text::{HOLE, Template, TextLine, normalised};
use crate::core::escape::{is_hidden, written_out};

/// Letters that are written from right to left, in lines of which marks of direction have a use.
fn is_rtl(c: char) -> bool {
    matches!(c, '\u{0590}'..='\u{08FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}')
}

/// What stands around a place in its line.
fn near(text: &str, at: usize) -> &str {
    const FAR: usize = 200;
    let from = text.floor_char_boundary(at.saturating_sub(FAR));
    let to = text.ceil_char_boundary((at + FAR).min(text.len()));
    let from = text[from..at].rfind('\n').map_or(from, |found| from + found + 1);
    let to = text[at..to].find('\n').map_or(to, |found| at + found);
    &text[from..to]
}

/// The flags of parts of countries: a black flag, letters and digits that nobody sees, and their end.
pub(super) fn flag(text: &str) -> Option<&str> {
    let tags = text.strip_prefix('\u{1F3F4}')?;
    let length =
        tags.chars().take_while(|c| matches!(c, '\u{E0030}'..='\u{E0039}' | '\u{E0061}'..='\u{E007A}')).count();
    let rest = tags.char_indices().nth(length).filter(|(_, c)| *c == '\u{E007F}').map(|(at, c)| at + c.len_utf8())?;
    (3..=6).contains(&length).then(|| &tags[..rest])
}

/// Whether a character is a mark of direction in a line that has a use for it.
pub(super) fn is_mark_of_direction(text: &str, at: usize, c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}') && near(text, at).chars().any(is_rtl)
}

/// Invisible characters, replacement characters and carriage returns alone.
pub(super) fn invisible_in(template: &Template, sink: &mut Sink) {
    let text = &template.source.text;
    let mut shown = 0;
    for (at, c) in text.char_indices() {
        if let Some(tags) = flag(&text[at..]) {
            shown = at + c.len_utf8() + tags.len();
        }
        if at < shown || !(is_hidden(c) || c == '\u{FFFD}') {
            continue;
        }
        if is_mark_of_direction(text, at, c) {
            continue;
        }
        let span = at..at + c.len_utf8();
        let name = written_out(c).unwrap_or_else(|| c.escape_unicode().to_string());
        match c {
            '\u{FFFD}' => {
                let message = "a replacement character: here a character was lost";
                sink.of(template, span, message)
                    .help("write what stood here")
                    .about(format!("U+FFFD {}", template.key));
            }
            '\r' => {
                let message = "a carriage return without a line feed; a terminal and a model read different lines";
                let finding = sink.of(template, span.clone(), message);
                finding.help("end the line with a line feed").about("\\r").edit(span, "\n");
            }
            _ => {
                let message = format!("an invisible character, {name}");
                sink.of(template, span.clone(), message).about(name).edit(span, "");
            }
        }
    }
}

pattern!(
    DATE,
    r"(?ix)\b(?:(?:19|20)\d\d([-/])(?:0[1-9]|1[0-2])[-/](?:0[1-9]|[12]\d|3[01])
    | (?:0?[1-9]|[12]\d|3[01])\.\ ?(?:0?[1-9]|1[0-2])\.\ ?(?:19|20)\d\d
    | (?:0?[1-9]|[12]\d|3[01])/(?:0?[1-9]|[12]\d|3[01])/(?:19|20)\d\d
    | (?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?\ \d{1,2}(?:st|nd|rd|th)?,?\ (?:19|20)\d\d
    | \d{1,2}(?:st|nd|rd|th)?\ (?:of\ )?(?:january|february|march|april|may|june|july|august|september|october|november|december),?\ (?:19|20)\d\d
    | \d{1,2}\.\ (?:januar|jänner|februar|märz|april|mai|juni|juli|august|september|oktober|november|dezember)\ (?:19|20)\d\d
    | \d{1,2}(?:er)?\ (?:janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre)\ (?:19|20)\d\d
    | \d{1,2}\ de\ (?:enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|janeiro|fevereiro|março|maio|junho|julho|setembro|outubro|novembro|dezembro)\ de\ (?:19|20)\d\d
    | (?:january|february|march|april|may|june|july|august|september|october|november|december)\ (?:19|20)\d\d | (?:q[1-4]|h[12])\ (?:19|20)\d\d
    | (?:until|till|through|since|end\ of|for\ the\ year)\ (?:19|20)\d\d
    | (?:tax|fiscal|financial|school|academic)\ year\ (?:19|20)\d\d
    | (?:steuerjahr|geschäftsjahr|schuljahr|jahr)\ (?:19|20)\d\d
    | (?:as\ of|today\ is|the\ (?:current\ )?(?:year|date)\ is|it\ is\ (?:now|currently)|(?:knowledge\ )?cut-?off(?:\ date)?(?:\ is|:)?)[^.\n]{0,20}\b(?:19|20)\d\d(?:-\d\d-\d\d)?)\b"
);
pattern!(
    SAMPLE,
    r"(?i)e\.g\.|for example|such as|\bformat|example|yyyy|\blike\b|\bi\.e\.|\bwritten (?:as|in)\b|\bbecomes?\b|[→⇒]|->|=>"
);
// What the day is, or until or since when something holds that will change.
pattern!(
    NOW,
    r"(?i)\b(?:as of|today|now|current(?:ly)?|cut-?off|the (?:year|date) is|(?:last |most )?recent(?:ly)?|updated|last (?:changed|modified|reviewed|revised|edited|checked)|heute|derzeit|aktuell\w*|aujourd.hui|hoy|oggi|hoje|vandaag|dzisiaj|сегодня)\b|今天|今日|現在|当前"
);
pattern!(
    HOLDS,
    r"(?i)\b(?:until|till|ends?|ending|expires?|expir\w+|valid|deadline|due|this (?:year|month|week)|up to|through|since|in force|in effect|apply|applies|end of|no later than|latest|next|upcoming|start(?:s|ing)|effective|scheduled|launch\w*|will|from|before|by|on sale|offer|our (?:\w+ ){1,3}(?:of|dated)|(?:tax|fiscal|financial|school|academic) year|(?:steuer|geschäfts|schul)jahr|gültig|bis|seit|ab dem|jusqu.au|valable|hasta|válid\w+)\b"
);
pattern!(YEAR, r"\b(?:19|20)\d\d\b");

/// Dates that are written into the text, and that a later day makes wrong.
pub(super) fn date(look: &Look<'_>, template: &Template, sink: &mut Sink) {
    const NEAR: i32 = 2;
    const LONG_AGO: i32 = 10;
    let this: i32 = look.material.evidence.today.get(..4).and_then(|year| year.parse().ok()).unwrap_or(9999);
    for span in template.matches(&DATE) {
        let line = template.prose().find(|(line, _)| line.span.start <= span.start && span.end <= line.span.end);
        let Some((line, text)) = line else { continue };
        let (from, to) = (span.start - line.span.start, span.end - line.span.start);
        let begin = text[..from].rfind([';', '!', '?']).max(text[..from].rfind(". ")).map_or(0, |at| at + 1);
        let end = text[to..].find(['.', ';', '!', '?']).map_or(text.len(), |at| to + at);
        let sentence = &text[begin..end];
        // A date that shows how dates are written is none.
        if SAMPLE.is_match(text) || in_quotes(text, from..to) {
            continue;
        }
        let years = YEAR.find_iter(template.written(span.clone())).filter_map(|year| year.as_str().parse::<i32>().ok());
        let age = this - years.max().unwrap_or(this);
        // What was long ago stays as it was.
        if (NOW.is_match(sentence) && age <= LONG_AGO) || (HOLDS.is_match(sentence) && age <= NEAR) {
            let message = format!("the date `{}` is written into the text", template.written(span.clone()));
            sink.of(template, span, message);
        }
    }
}

/// Whether a stretch of a line is quoted there: as code, or between quotes.
fn in_quotes(line: &str, span: std::ops::Range<usize>) -> bool {
    let (before, behind) = (&line[..span.start], &line[span.end..]);
    let is_open = |mark: char| before.matches(mark).count() % 2 == 1 && behind.contains(mark);
    let is_between = |open: char, close: char| {
        before.rfind(open).is_some_and(|at| !before[at..].contains(close)) && behind.contains(close)
    };
    is_open('`') || is_open('"') || is_between('“', '”') || is_between('„', '“') || is_between('«', '»')
}

pattern!(
    MODEL,
    r"(?ix)\b(?:(?:chat)?gpt-?[2-9](?:\.\d)?[\w-]*|chatgpt|gpt-oss[\w-]*|(?-i:o[134])-(?:mini|pro|preview)\b|claude[-\ ](?:\d[\w.-]*|opus|sonnet|haiku|instant)
    | gemini[-\ ](?:\d[\w.-]*|pro|flash|ultra)|gemma[-\ ]?\d[\w.-]*|llama[-\ ]?\d[\w.-]*|mistral-\w+|(?-i:Mistral)\ (?:large|medium|small|nemo)|mixtral[\w-]*|text-davinci-\d+
    | qwen[-\ ]?\d[\w.-]*|deepseek[-\ ](?:r\d|v\d|chat|coder|reasoner)[\w.-]*|(?-i:Grok)[-\ ]?\d[\w.-]*|grok-\d[\w.-]*|(?-i:phi)-\d[\w.-]*|command[-\ ]r\+?\b)"
);
// Who made it, where that is said of a model.
pattern!(
    MAKER,
    r"(?x)\b(?:(?i:trained|made|built|developed|created|powered|provided|designed)\ by\ (?:OpenAI|Anthropic|DeepSeek|Mistral(?:\ AI)?|xAI|Cohere|Google\ DeepMind|Meta\ AI)
    | (?i:language\ model|assistant|chatbot|model|LLM|AI)\ (?:(?i:trained|made|built|developed|created)\ by|from)\ (?:Google|Meta|Microsoft|Alibaba)
    | von\ (?:OpenAI|Anthropic|DeepSeek|Mistral|Google|Meta|Microsoft)\ (?:entwickelt|trainiert|erstellt|gemacht)\w*
    | (?:OpenAI|Anthropic|DeepSeek|Mistral\ AI|xAI|Cohere)(?:['’]s)?\ (?i:(?:chat\ |language\ |AI\ )?(?:models?|assistant|chatbot|LLMs?|style)))\b"
);

// Names that are also those of people, stars and animals, where the model is told that it is one.
pattern!(
    SELF,
    r"\b(?i:you(?:\ are|['’]re)|act\ as|i\ am|du\ bist|sie\ sind)\ (?P<name>Claude|Gemini|Copilot|Grok|Bard|DeepSeek|Qwen|Mistral|Llama|Gemma|Perplexity|Kimi)(?:\s*[.!]|\s*$|,\s+(?:an?\s+)?(?:[\w-]+\s+){0,2}(?:AI|models?|assistant|chatbot|LLM|made|built|created|developed|trained)\b)"
);

/// Names of models, and of those who made them, that are written into the text.
pub(super) fn model_name(_: &Look<'_>, template: &Template, sink: &mut Sink) {
    for span in template.matches(&MODEL) {
        let message = format!("`{}` names a model in the text", template.written(span.clone()));
        sink.of(template, span, message);
    }
    for span in template.matches(&SELF) {
        let said = template.written(span.clone());
        let span = span.start..span.start + said.find([',', '.', '!']).unwrap_or(said.len());
        let message = format!("`{}` tells a model which one it is", template.written(span.clone()));
        sink.of(template, span, message);
    }
    for span in template.matches(&MAKER) {
        let message = format!("`{}` names who made a model", template.written(span.clone()));
        sink.of(template, span, message);
    }
}

// The version of a product or a language: standards such as HTTP/1.1 or CC BY 4.0 stay what they are.
pattern!(
    VERSION,
    r"(?x)\b(?:(?i:app|application|software|product|firmware|plug-?in|sdk|client|server|current|latest|installed|our|your|api|platform)\ (?i:is\ )?(?i:version|release|build)\ v?\d+(?:\.\d+)*
    | (?i:version|release)\ v?\d+\.\d+(?:\.\d+)*
    | v\d+\.\d+(?:\.\d+)*
    | API\ v\d+
    | (?:Python|PHP|Ruby|Perl|Node(?:\.js)?|Java|TypeScript|Kotlin|Swift|React|Angular|Vue|Django|Rails|Laravel|Spring\ Boot|Next\.js|PostgreSQL|MySQL|MariaDB|MongoDB|Ubuntu|Debian|Android|iOS|macOS|Windows|\.NET|Kubernetes)\ v?\d+(?:\.\d+)*
    | (?:Go|Rust|Terraform|Scala)\ v?\d+\.\d+(?:\.\d+)*)\b"
);

/// Versions of products and languages that are written into the text.
pub(super) fn version(_: &Look<'_>, template: &Template, sink: &mut Sink) {
    for span in template.matches(&VERSION) {
        let line = line_of(&template.masked, span.start);
        if SAMPLE.is_match(line) || in_quotes(line, within(&template.masked, &span)) {
            continue;
        }
        let message = format!("the version `{}` is written into the text", template.written(span.clone()));
        sink.of(template, span, message);
    }
}

// A mark of what is to be done, where somebody put it for that: at the beginning of a sentence or a line, or with a colon
// or a name behind it. The word in a list of such words is none, and in Spanish and Portuguese it means all.
pattern!(
    TODO,
    r"(?m)(?P<lead>^[ \t]*|[.!?;)\]]\s+|[(\[{<]\s*|[-*#/>]\s+|//|--\s*)(?P<mark>TODO|FIXME|HACK|XXX)\b(?P<behind>[^\n]{0,40})"
);
pattern!(TODO_LABEL, r"(?P<before>[^\s]*)\s+(?P<mark>TODO|FIXME|HACK|XXX)(?:\([^)\n]{1,40}\))?:\s+\w");
pattern!(
    NO_TODO,
    r"(?i)^(?:s\b|\s*,|\s*/|\s+(?:and|or|und|et|y|o)\s|[\s-]+(?:lists?|items?|comments?|apps?|files?|markers?|tags?|entries|entry|notes?|tokens?|labels?)\b|\s+(?:el|la|lo|los|las|esto|eso|este|esta|su|tu|mi|un|una|que|o|a|os|as|isto|isso|seu|sua|usuario|usuário|mundo|texto|en|em)\b)"
);
pattern!(
    NAMES,
    r"(?i)^(?:with|like|as|or|and|the|a|an|any|no|of|marked|word|called|named|in|to|say|says|is|are|begin|start|prefix|every|each|all)$"
);
pattern!(
    PUT_OFF,
    r"(?i)\btemporary\s+(?:fix|hack|patch|solution|measure|change|wording|rule|instruction|limit|text|block|until|work-?around|exception|paragraph|sentence|section)\b|\btemporar(?:y|ily)\b[^.\n]{0,80}\b(?:until|till|for now|remove[ds]?|while|disabled|commented|revert)\b|(?:^|\n)\s*(?:temporary|temporarily)\s*(?:[:,.;!-]|$)|\btemporarily\s+(?:added|off|out|here|allowed|disabled)\b|(?:^|\n)\s*(?:ugly |dirty |quick |a |known )*work-?around\b|\bwork-?around\s+(?:for|until|because|to|as|around)\b|\b(?:remove|delete|drop|revert|undo)\s+(?:this|that|it|me|these|again)\b[^.\n]{0,60}\b(?:once|when|after|as soon as|later|before)\b"
);

// Small words of Spanish and Portuguese.
pattern!(
    ROMANCE,
    r"(?i)\b(?:el|los|las|del|que|una|se|con|para|por|como|más|está|não|uma|dos|das|com|ao|você|os|em|de)\b"
);

/// Where a text says that something is still to do; in a text of Spanish or Portuguese the word alone says nothing.
fn put_off(text: &str, is_foreign: bool) -> Vec<std::ops::Range<usize>> {
    let marked = TODO.captures_iter(text).filter_map(|found| {
        let (mark, behind) = (found.name("mark")?, found.name("behind")?);
        // An item that is nothing but the word belongs to a list of such words.
        let is_item = behind.as_str().trim().is_empty() && found["lead"].contains(['-', '*', '/', '>']);
        let is_word = is_foreign && mark.as_str() == "TODO" && !behind.as_str().starts_with([':', '(']);
        (!is_item && !is_word && !NO_TODO.is_match(behind.as_str())).then_some(mark)
    });
    let labelled = TODO_LABEL.captures_iter(text).filter_map(|found| {
        let (before, mark) = (found.name("before")?.as_str(), found.name("mark")?);
        let is_named = before.ends_with(',') || NAMES.is_match(before.trim_matches(|c: char| !c.is_alphanumeric()));
        (!is_named).then_some(mark)
    });
    let all = marked.chain(labelled).map(|mark| mark.range());
    let mut all: Vec<_> = all.filter(|span| !in_quotes(line_of(text, span.start), within(text, span))).collect();
    all.sort_by_key(|span| span.start);
    all.dedup();
    all
}

fn line_of(text: &str, at: usize) -> &str {
    let from = text[..at].rfind('\n').map_or(0, |found| found + 1);
    let to = text[at..].find('\n').map_or(text.len(), |found| at + found);
    &text[from..to]
}

/// A stretch of a text, in its line.
fn within(text: &str, span: &std::ops::Range<usize>) -> std::ops::Range<usize> {
    let from = text[..span.start].rfind('\n').map_or(0, |found| found + 1);
    span.start - from..span.end - from
}

pattern!(YAML_COMMENT, r"(?m)(?:^|[ \t])#(.*)$");

/// What was put off: in the text, in comments, in the front matter.
pub(super) fn todo(_: &Look<'_>, template: &Template, sink: &mut Sink) {
    let words = template.prose_text();
    let is_foreign =
        ROMANCE.find_iter(&words).map(|word| word.as_str().to_lowercase()).collect::<BTreeSet<_>>().len() > 3;
    for (line, text) in template.prose() {
        for found in put_off(text, is_foreign) {
            let span = line.span.start + found.start..line.span.start + found.end;
            let message = format!("`{}` is sent to the model", template.written(span.clone()));
            sink.of(template, span, message).aged();
        }
    }
    let front = &template.source.text[..template.body];
    let of_front = YAML_COMMENT.captures_iter(front).filter_map(|found| found.get(1)).map(|m| m.range());
    let comments: Vec<_> = template.comments.iter().map(|comment| comment.text.clone()).chain(of_front).collect();
    for comment in comments {
        let text = template.written(comment.clone());
        let trimmed = text.trim();
        if trimmed.starts_with("promptctl:") {
            continue;
        }
        // As if nothing stood before it.
        let begin = comment.start + (text.len() - text.trim_start().len());
        let found = put_off(trimmed, is_foreign)
            .into_iter()
            .next()
            .or_else(|| PUT_OFF.find(trimmed).map(|found| found.range()));
        if let Some(found) = found {
            let span = begin + found.start..begin + found.end;
            let about = normalised(text);
            let said = template.written(span.clone()).trim().to_owned();
            sink.of(template, span, format!("a comment says `{said}`")).about(about).aged();
        }
    }
}

pattern!(
    IMPERATIVE,
    r"(?i)^\W*(?:do not|don't|never|always|please|answer|respond|reply|return|output|write|use|you are|you must|you should|make sure|ensure|avoid|be|give|include|only)\b"
);
// What is said to those who keep the template, and not to a model.
pattern!(
    TO_KEEPERS,
    r"(?i)\b(?:this|these|here|below|above|block|line|section|paragraph|partial|template|prompt|macro|include[ds]?|variables?|cach\w*|fixtures?|cases?|sync|order|version|file|folder|docs?|see|because|reviewed|agreed|asked for by|we|our|team|used by|eval\w*|tests?|tokens?|merge|commit|deploy\w*|lawyers?|reviewers?|maintainers?|rename|filter|escape)\b|\w\(\)|\?"
);
pattern!(
    OF_CODE,
    r"^\{[{%][^}]*[}%]\}\s+(?:is|are|was|were|comes?|holds?|contains?|must|may|can|has|have|will|would|here)\b"
);
pattern!(TAGS, r"\{%[-+]?\s*(\w+)");

pattern!(USAGE, r"(?i)\b(?:usage|example|e\.g\.|use it|call it|like this)\b");

/// Whether a comment is a part of a template that could be put back.
fn is_code(text: &str) -> bool {
    if !text.starts_with("{{") && !text.starts_with("{%") || OF_CODE.is_match(text) {
        return false;
    }
    let (mut open, mut is_whole) = (0_i32, true);
    for found in TAGS.captures_iter(text) {
        match &found[1] {
            "if" | "for" | "block" | "macro" | "call" | "filter" | "with" | "raw" => open += 1,
            word if word.starts_with("end") => open -= 1,
            _ => {}
        }
        is_whole &= open >= 0;
    }
    is_whole && open == 0
}

pattern!(HTML_COMMENT, r"<!--.*?(?:-->|$)");
pattern!(
    SHOWS_COMMENT,
    r"(?i)\b(?:such as|like|e\.g\.|example|comments?|marker|markers|with|between|wrap\w*|inside|html|tags?|write|use|insert|put|emit|add)\b"
);

/// Whether a comment of HTML is one that was left: by itself in its line or at its end, and no mark around something.
fn is_left(line: &str, span: std::ops::Range<usize>) -> bool {
    let (before, said) = (&line[..span.start], &line[span.clone()]);
    let words = said.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).count();
    let is_mark = words <= 3 && put_off(said.trim_start_matches("<!--").trim(), false).is_empty();
    !is_mark && !in_quotes(line, span.clone()) && (before.trim().is_empty() || !SHOWS_COMMENT.is_match(before))
}

/// Instructions that were commented out instead of removed, and comments that the model is sent.
pub(super) fn commented_out(_: &Look<'_>, template: &Template, sink: &mut Sink) {
    for comment in &template.comments {
        let text = template.written(comment.text.clone());
        let trimmed = text.trim().trim_matches('-').trim();
        let has_code =
            (trimmed.lines().any(|line| is_code(line.trim())) || is_code(trimmed)) && !USAGE.is_match(trimmed);
        // A title has no full stop.
        let (words, is_sentence) = (trimmed.split_whitespace().count(), trimmed.ends_with(['.', '!']));
        let is_instruction = IMPERATIVE.is_match(trimmed) && (words >= 4 || (words >= 2 && is_sentence));
        if trimmed.starts_with("promptctl:") || !(has_code || (is_instruction && !TO_KEEPERS.is_match(trimmed))) {
            continue;
        }
        let what = if has_code { "a part of a template" } else { "an instruction" };
        sink.of(template, comment.span.clone(), format!("{what} is commented out"));
    }
    for (line, text) in template.prose() {
        for found in HTML_COMMENT.find_iter(text).filter(|found| is_left(text, found.range())) {
            let span = line.span.start + found.start()..line.span.start + found.start() + 4;
            let message = "this comment is no comment of a template: the model is sent it";
            sink.of(template, span, message).help("write it as `{# … #}`, or remove it");
        }
    }
}

pattern!(
    SHOUT,
    r"\b(?:DO NOT|DON'T|MUST NOT|MUST|NEVER|ALWAYS|IMPORTANT|CRITICAL|CRUCIAL|EXTREMELY|VERY|STRICTLY|ABSOLUTELY|MANDATORY|REQUIRED|ESSENTIAL|WARNING|ATTENTION|PLEASE|REALLY|SERIOUSLY|FORBIDDEN|PROHIBITED|URGENT|REMEMBER|CAREFULLY|IMMEDIATELY|COMPLETELY|ENSURE|MAKE SURE|AVOID|HIGHLY|SUPER|CANNOT|ONLY|NOT|EXACTLY|EVERY|UNDER NO CIRCUMSTANCES|NO EXCEPTIONS)\b"
);

// Words of SQL and of lists of words, before and behind one that would be stressed elsewhere.
pattern!(SQL_BEHIND, r"^\s+(?:NULL|IN|EXISTS|LIKE|ILIKE|BETWEEN|SIMILAR|MATERIALIZED|DEFERRABLE|VALID|NULLS)\b");
pattern!(SQL_BEFORE, r"\b(?:IS|IF|WHERE|ROWS?|READ|WRITE|ALTER|SET)\s+$");
pattern!(LISTED_BEFORE, r"\b[A-Z]{2,}[`\x22']?\s*(?:[,|/]\s*(?:and\s+|or\s+)?|(?:and|or)\s+)[`\x22']?$");
pattern!(LISTED_BEHIND, r"^[`\x22']?\s*(?:[,|/]\s*(?:and\s+|or\s+)?|(?:and|or)\s+)[`\x22']?[A-Z]{2,}\b");

/// Whether a word in capitals stresses something: in code, in a list of such words, in SQL it does not.
fn is_stressed(line: &str, span: std::ops::Range<usize>) -> bool {
    let (before, behind) = (&line[..span.start], &line[span.end..]);
    let is_sql = matches!(&line[span.clone()], "NOT" | "ONLY" | "EXACTLY")
        && (SQL_BEHIND.is_match(behind) || SQL_BEFORE.is_match(before));
    !(is_sql || in_quotes(line, span) || LISTED_BEFORE.is_match(before) || LISTED_BEHIND.is_match(behind))
}

// Words in capitals that follow each other, and small words that make a sentence of them.
pattern!(CAPITALS, r"\b[A-Z][A-Z'’]*(?:[ ,;:]+(?:[A-Z][A-Z'’]*\b|\d+))+");
pattern!(
    OF_SENTENCE,
    r"\b(?:THE|AN?|TO|IS|ARE|BE|DO|NOT|AND|OF|IN|ON|THIS|THAT|THESE|ALL|ANY|YOU|YOUR|FOR|WITH|IT|IF|MUST|WILL|NEVER|ALWAYS|DER|DIE|DAS|UND|NICHT|IST|SIND|SIE|ALLE|EIN|EINE)\b"
);

/// How many words of a stretch in capitals are a sentence: no title, which stands alone in its line and ends with no mark
/// of a sentence; no list of such words.
fn shouted(line: &str, span: &std::ops::Range<usize>) -> usize {
    const SENTENCE: usize = 5;
    let text = &line[span.clone()];
    let words = text.split([' ', ',', ';', ':']).filter(|word| word.chars().any(char::is_alphabetic)).count();
    let small = OF_SENTENCE.find_iter(text).count();
    let is_alone = !line[..span.start].chars().chain(line[span.end..].chars()).any(char::is_lowercase);
    let is_ended = line[span.end..].trim_start_matches(['*', '"', '_']).starts_with(['.', '!']);
    if words >= SENTENCE && small >= 2 && (is_ended || !is_alone || words >= 2 * SENTENCE) { words } else { 0 }
}

/// Words in capitals, many or close together.
pub(super) fn emphasis(look: &Look<'_>, template: &Template, sink: &mut Sink) {
    let of_line = |(line, text): (&TextLine, &str)| -> Vec<_> {
        let sentences = CAPITALS.find_iter(text).map(|found| (found.range(), shouted(text, &found.range())));
        let sentences: Vec<_> =
            sentences.filter(|(span, words)| *words > 0 && !in_quotes(text, span.clone())).collect();
        let is_within = |at: usize| sentences.iter().any(|(span, _)| span.contains(&at));
        let stressed = SHOUT.find_iter(text).filter(|found| is_stressed(text, found.range()));
        let mut all: Vec<_> =
            stressed.map(|found| (found.range(), 1)).filter(|(span, _)| !is_within(span.start)).collect();
        all.extend(sentences);
        all.sort_by_key(|(span, _)| span.start);
        all.into_iter().map(|(span, words)| (line.span.start + span.start..line.span.start + span.end, words)).collect()
    };
    let found: Vec<_> = template.prose().flat_map(of_line).collect();
    let count: usize = found.iter().map(|(_, words)| words).sum();
    let words = template.prose_text().split_whitespace().count();
    #[expect(clippy::cast_precision_loss, reason = "counts of words")]
    let density = count as f64 * 100.0 / words.max(1) as f64;
    let is_dense = count >= look.count("some") && density > look.limit("per-hundred-words");
    let Some((first, _)) = found.first().filter(|_| count >= look.count("count") || is_dense) else { return };
    let shown: Vec<&str> = found.iter().take(4).map(|(span, _)| template.written(span.clone())).collect();
    let message = format!("{count} words in capitals stress something in {words} words: {}", shown.join(", "));
    sink.of(template, first.clone(), message).about(template.key.clone()).amount(count);
}

/// The same sentence again and again.
pub(super) fn repeated(look: &Look<'_>, template: &Template, sink: &mut Sink) {
    let mut known: BTreeMap<String, Vec<std::ops::Range<usize>>> = BTreeMap::new();
    for span in &template.sentences {
        let text = normalised(&template.masked[span.clone()]);
        if text.split(' ').filter(|word| *word != "{}").count() >= 4 {
            known.entry(text).or_default().push(span.clone());
        }
    }
    let (least, parts) = (look.count("count").max(2), [template]);
    let branches = Branches::new(&parts);
    for (text, mut spans) in known.into_iter().filter(|(_, spans)| spans.len() >= least) {
        // Of branches that exclude each other one is sent.
        let together = branches.together(&spans.iter().map(|span| span.start).collect::<Vec<_>>());
        spans.retain(|span| together.binary_search(&span.start).is_ok());
        if spans.len() < least {
            continue;
        }
        // Counted from one to the next: there may be very many.
        let (mut lines, mut at, mut line) = (Vec::new(), 0, 1);
        for span in &spans {
            line += template.written(at..span.start).matches('\n').count();
            at = span.start;
            lines.push(line);
        }
        lines.dedup();
        let shown: Vec<String> = lines.iter().take(5).map(usize::to_string).collect();
        let more = if lines.len() > shown.len() { ", …" } else { "" };
        let word = if lines.len() == 1 { "line" } else { "the lines" };
        let message =
            format!("the same sentence stands here {} times, in {word} {}{more}", spans.len(), shown.join(", "));
        sink.of(template, spans[1].clone(), message).about(text).amount(spans.len());
    }
}

/// A blank at the very end of the text.
pub(super) fn trailing_space(_: &Look<'_>, template: &Template, sink: &mut Sink) {
    if template.is_partial {
        return;
    }
    let Some(line) =
        template.lines.iter().rev().find(|line| !template.source.text[line.span.clone()].trim().is_empty())
    else {
        return;
    };
    let text = &template.source.text[line.span.clone()];
    let blank = text.len() - text.trim_end_matches([' ', '\t']).len();
    let is_sent = template.masked[line.span.clone()].trim_end_matches([' ', '\t']).len() + blank == text.len();
    if blank == 0 || !is_sent {
        return;
    }
    let span = line.span.end - blank..line.span.end;
    let ends_open = text.trim_end().ends_with([':', HOLE]);
    let message = if ends_open {
        "the prompt ends with a blank behind what the model is to go on with"
    } else {
        "the prompt ends with a blank"
    };
    sink.of(template, span.clone(), message).about(template.key.clone()).edit(span, "");
}
