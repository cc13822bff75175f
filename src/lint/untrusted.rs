//! What comes from outside: where it stands, whether the model can tell it from instructions, and what to say when it
//! does not answer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::branches::includes;
use super::look::{Look, Sink, Subject};
use super::pattern;
use super::text::{Print, Speaker, Tag, Template};
use crate::case::Case;
use crate::core::record::Role;
use crate::prompt::DOCUMENTS;

pattern!(
    USERS,
    r"(?i)^(?:(?:user|customer|client)(?:_?(?:input|message|query|question|text|prompt|request|comment|reply))|question|query|user_?input|message|ticket|e?mail(?:_body)?|comment|review|utterance|feedback|user_request|request_text|transcript)$"
);

/// Whether a prompt says of a variable that it can be trusted, or cannot.
fn trusted(subject: &Subject<'_>, name: &str) -> Option<bool> {
    let declared = subject.prompt.front.variables.iter().flatten().find(|declaration| declaration.name == name)?;
    declared.schema.get("trusted").and_then(Value::as_bool)
}

/// Whether a variable holds one of a few words, or a number.
fn is_small(subject: &Subject<'_>, name: &str) -> bool {
    let declared = subject.prompt.front.variables.iter().flatten().find(|declaration| declaration.name == name);
    declared.is_some_and(|declaration| {
        let schema = &declaration.schema;
        let short = schema.get("maxLength").and_then(Value::as_u64).is_some_and(|length| length <= 40);
        short
            || schema.get("enum").is_some()
            || schema.get("const").is_some()
            || matches!(declaration.type_name(), Some("integer" | "number" | "boolean" | "null"))
    })
}

/// How many cases are rendered to see where a variable ends up.
const TRIED: usize = 40;

/// What users write, in the message of the application: printed there, or come there by another way.
pub(super) fn in_system(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let is_users = |name: &str| match trusted(subject, name) {
        Some(trusted) => !trusted,
        None => USERS.is_match(name) && !is_small(subject, name),
    };
    let mut told = BTreeSet::new();
    for print in subject.own.prints.iter().filter(|print| print.speaker == Speaker::System) {
        if let Some(name) = print.names.iter().find(|name| is_users(name)) {
            told.insert(name.as_str());
            let message = format!("`{name}` is what a user writes, and stands in the system message");
            sink.of(subject.own, print.span.clone(), message).about(format!("{} {name}", subject.own.key));
        }
    }
    let left: Vec<&str> = subject.prompt.variables.iter().map(String::as_str).collect();
    let left: Vec<&str> = left.into_iter().filter(|name| is_users(name) && !told.contains(name)).collect();
    for name in reaching(look, subject, &left) {
        let message = format!("`{name}` is what a user writes, and reaches the system message from here");
        sink.of(subject.own, entrance(subject, name), message).about(format!("{} {name}", subject.own.key));
    }
}

/// Those of these variables that reach a message of the application when the cases are rendered: each is given a word
/// that stands nowhere else, and the word is looked for. So every way is seen, through partials, macros and loops.
fn reaching<'n>(look: &Look<'_>, subject: &Subject<'_>, names: &[&'n str]) -> Vec<&'n str> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let word = |number: usize| format!("qzj{number}xv");
    for case in subject.cases.iter().take(TRIED) {
        if found.len() == names.len() {
            break;
        }
        let mut variables = case.variables.clone();
        for (number, name) in names.iter().enumerate() {
            let value =
                case.variables.get(name).map_or_else(|| word(number).into(), |value| marked(value, &word(number)));
            variables.set(name, value);
        }
        // A template that wants other values is refused; another case may do.
        let Ok(messages) = look.material.workspace.prompts.render(subject.prompt, &variables) else { continue };
        for message in messages.iter().filter(|message| matches!(message.role, Role::System | Role::Developer)) {
            let content = message.content.to_lowercase();
            let reaches = |(number, _): &(usize, &&'n str)| content.contains(&word(*number));
            found.extend(names.iter().enumerate().filter(reaches).map(|(_, name)| *name));
        }
    }
    names.iter().copied().filter(|name| found.contains(name)).collect()
}

/// A value with this word instead of every text.
fn marked(value: &Value, word: &str) -> Value {
    match value {
        Value::String(_) => word.into(),
        Value::Array(items) => items.iter().map(|item| marked(item, word)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, item)| (name.clone(), marked(item, word))).collect(),
        other => other.clone(),
    }
}

/// Where the template hands a variable on that it does not print in the system message itself.
fn entrance(subject: &Subject<'_>, name: &str) -> std::ops::Range<usize> {
    let own = subject.own;
    let has = |names: &[String]| names.iter().any(|known| known == name);
    let of_unknown = own.prints.iter().find(|print| print.speaker == Speaker::Unknown && has(&print.names));
    let hands_on = |tag: &&Tag| matches!(tag.keyword.as_str(), "set" | "for" | "with" | "call") && has(&tag.names);
    let reads = |part: &&&Template| {
        part.prints.iter().any(|print| has(&print.names)) || part.tags.iter().any(|tag| has(&tag.names))
    };
    let brings_in = |tag: &&Tag| {
        tag.speaker == Speaker::System
            && subject.parts.iter().skip(1).filter(reads).any(|part| includes(own, tag, &part.key))
    };
    let tag = own.tags.iter().find(hands_on).or_else(|| own.tags.iter().find(brings_in));
    // Through a partial of a partial.
    let tag = tag.or_else(|| own.tags.iter().find(|tag| tag.keyword == "include" && tag.speaker == Speaker::System));
    let span = of_unknown.map(|print| &print.span).or(tag.map(|tag| &tag.span));
    let any = || own.prints.iter().find(|print| has(&print.names)).map(|print| &print.span);
    span.or_else(any).cloned().unwrap_or_else(|| own.start())
}

/// The text behind an expression, in its message.
fn behind<'t>(template: &'t Template, print: &Print) -> &'t str {
    let first = template.lines.partition_point(|line| line.span.end < print.span.end);
    let rest = template.lines.get(first..).unwrap_or_default();
    let last = rest.iter().take_while(|line| line.speaker == print.speaker).last();
    let to = last.or(rest.first()).map_or(print.span.end, |line| line.span.end);
    template.masked.get(print.span.end..to).unwrap_or_default()
}

pattern!(DELIMITS, r#"^\s*(?:[<`"'\])}>|”’»*]|-{3,}|={3,}|#{1,6}\s|#{2,}|~{3,}|\[|END\b)"#);

pattern!(
    PATH,
    r#"^\{\{[-+]?\s*(?P<path>[A-Za-z_]\w*(?:\.\w+|\[\s*["']\w+["']\s*\])*)\s*(?P<filters>\|[^{}]*?)?[-+]?\}\}$"#
);
// Written as JSON, a text has quotes around it.
pattern!(QUOTES, r"\|\s*(?:tojson|escape|e|urlencode)\b");
// `Answer:` and headings that are underlined say that the value before them has ended.
pattern!(LABEL, r"^(?:\*\*|__)?\p{L}[\p{L}\p{N} _'’()/-]{0,40}(?:\*\*|__)?\s?[:：]");
pattern!(
    HEADS,
    r"^(?:(?:\*\*|__)?\p{L}[\p{L}\p{N} _'’()/-]{0,40}(?:\*\*|__)?\s?[:：]|[^\n]{1,60}\n\s*(?:-{3,}|={3,}|~{3,})\s*\n)"
);
pattern!(FOR, r"^\{%[-+]?\s*for\s+(?P<to>[\w\s,()]+?)\s+in\s+(?P<from>.+?)\s*[-+]?%\}$");
pattern!(SET, r"^\{%[-+]?\s*(?:set|with)\s+(?P<to>\w+)\s*=\s*(?P<from>.+?)\s*[-+]?%\}$");

/// Names that loops, `set` and `with` give: the name, what it is taken from, the names of that, and whether it is one of many.
struct Given {
    name: String,
    from: String,
    names: Vec<String>,
    is_item: bool,
}

fn given(parts: &[&Template]) -> Vec<Given> {
    let mut all = Vec::new();
    for (part, tag) in parts.iter().flat_map(|part| part.tags.iter().map(move |tag| (part, tag))) {
        let written = part.written(tag.span.clone());
        let is_item = tag.keyword == "for";
        let Some(found) = (if is_item { &FOR } else { &SET }).captures(written) else { continue };
        let to: Vec<&str> = found["to"].split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        for name in to.iter().filter(|name| !name.is_empty()) {
            let names = tag.names.iter().filter(|known| !to.contains(&known.as_str())).cloned().collect();
            all.push(Given { name: (*name).to_owned(), from: found["from"].to_owned(), names, is_item });
        }
    }
    all
}

/// How often a name is taken from another one that is followed.
const STEPS: usize = 5;

/// What a name is taken from.
fn taken<'g>(name: &str, given: &'g [Given], steps: usize) -> Option<&'g Given> {
    given.iter().find(|given| given.name == name && given.from != name).filter(|_| steps > 0)
}

/// The names of a path: `doc.text`.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty())
}

/// The variable behind a path.
fn root(path: &str, given: &[Given], steps: usize) -> String {
    let first = names(path).next().unwrap_or_default();
    taken(first, given, steps).map_or_else(|| first.to_owned(), |taken| root(&taken.from, given, steps - 1))
}

/// What a path has in a case.
fn resolved<'v>(path: &str, case: &'v Case, given: &[Given], steps: usize) -> Vec<&'v Value> {
    let mut names = names(path);
    let first = names.next().unwrap_or_default();
    let mut values: Vec<&Value> = match taken(first, given, steps) {
        None => case.variables.get(first).into_iter().collect(),
        Some(taken) => {
            let from = taken.from.split('|').next().unwrap_or_default().trim();
            let values = resolved(from, case, given, steps - 1);
            let items = |value: &'v Value| value.as_array().map_or(&[][..], Vec::as_slice);
            if taken.is_item { values.into_iter().flat_map(items).collect() } else { values }
        }
    };
    for name in names {
        values = values.into_iter().filter_map(|value| value.get(name)).collect();
    }
    values
}

/// The texts of a value that is printed.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// A value in the middle of instructions, with nothing around it: a long one, or one that users write.
pub(super) fn undelimited(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let given = given(&subject.parts);
    let is_long = |path: &str| {
        subject.cases.iter().take(200).any(|case| {
            let mut texts = resolved(path, case, &given, STEPS).into_iter().flat_map(texts);
            texts.any(|text| text.trim().contains('\n') || text.chars().count() > look.count("characters"))
        })
    };
    let mut told = BTreeSet::new();
    for (part, print) in subject.parts.iter().flat_map(|part| part.prints.iter().map(move |print| (*part, print))) {
        let Some(found) = PATH.captures(part.written(print.span.clone())) else { continue };
        if found.name("filters").is_some_and(|filters| QUOTES.is_match(filters.as_str())) || print.names.len() != 1 {
            continue;
        }
        let path = &found["path"];
        let name = root(path, &given, STEPS);
        if is_small(subject, &name)
            || trusted(subject, &name) == Some(true)
            || !subject.prompt.variables.contains(&name)
        {
            continue;
        }
        let text = behind(part, print).trim_start_matches([' ', '\t']);
        let is_users = trusted(subject, &name) == Some(false);
        // What users write in the middle of a sentence may be as long as they like.
        let line = text.lines().next().unwrap_or_default().trim();
        let is_within = USERS.is_match(path) && line.chars().any(char::is_alphabetic) && !LABEL.is_match(line);
        let is_labelled = line.is_empty() && HEADS.is_match(text.trim());
        let text = text.trim();
        let goes_on = text.chars().any(char::is_alphabetic) && !DELIMITS.is_match(text) && !is_labelled;
        if !goes_on || told.contains(path) || !(is_users || is_within || is_long(path)) {
            continue;
        }
        told.insert(path.to_owned());
        let message = format!("nothing marks where `{path}` ends and the instructions go on");
        let tag = names(path).last().unwrap_or(path);
        let help = format!("put tags around it: `<{tag}>{}</{tag}>`", part.written(print.span.clone()));
        sink.of(part, print.span.clone(), message).help(help).about(format!("{} {path}", part.key));
    }
}

pattern!(
    NAMED_DOCUMENTS,
    r"(?i)^(?:context|contexts|documents?|docs|passages?|articles|sources|chunks|search_?results?|retrieved\w*|retrieval\w*|knowledge(?:_?base)?|excerpts?|snippets)(?:_?(?:str|text|list))?$"
);
// What somebody wants to know.
pattern!(QUESTION, r"(?i)^(?:(?:user|customer)_?)?question(?:_?(?:str|text))?$");
pattern!(TAG, r"</?[\w-]+[^>\n]*>");
// That a question is to be answered, or a message.
pattern!(
    ASKS,
    r"(?i)\banswer(?:s|ing)?\b[^.\n]{0,80}\b(?:questions?|quer(?:y|ies)|users?|customers?|what|it|them|from|using|based|with)\b|\b(?:respond|reply)\b[^.\n]{0,80}\b(?:questions?|quer(?:y|ies)|users?|messages?|customers?)\b|\bhelp(?:s|ing)?\s+(?:(?:the|our|all|your)\s+)?(?:\w+\s+)?(?:users?|customers?|clients?|employees|colleagues|students|patients|members|visitors|guests|people)\b|\bquestions?\b[^.\n]{0,80}\banswer|r[ée]pon[ds]\w*|respond[ae]\w*|beantwort\w*|\bantworte\w*|rispond\w*|ответ|odpowie|回答|答え|답변|답하"
);
// That questions or answers are the work itself.
pattern!(
    WORKS_ON,
    r"(?i)\b(?:write|generat\w*|create|formulate|propose|come up with|rewrite|rephrase|reformulate|condense|decompose|translate|classify|rate|grade|judge|evaluate|score|compare|rank)\b[^.\n]{0,60}\b(?:questions?|quer(?:y|ies)|answers?|responses?)\b|\breturn\s+(?:an?\s+|the\s+)?(?:\w+\s+)?questions?\b|\banswer\s+(?:only\s+)?with\s+(?:an?|the)\s+(?:number|letter|index|name|id)\b"
);
// Work that no question asks for: where nothing says that a question is answered, it is this that is done.
pattern!(
    OTHER_WORK,
    r"(?im)(?:^|[.!?:]\s+)\W*(?:(?:please|your (?:task|job) is to|you)\s+)?(?:classif(?:y|ies)|categori[sz]es?|labels?|tags?|sorts?|routes?|assigns?|translates?|rewrites?|rephrases?|converts?|extracts?|drafts?|writes?|compose|generates?|creates?|ranks?|rates?|scores?|grades?|judges?|evaluates?|compares?|summari[sz]es?|find|list|decide)\b"
);
pattern!(
    ANSWERS,
    r"(?i)^(?:\w+_)?(?:answers?|response|output|completion|statements?|claims?|prediction|candidate|submission|generation)$"
);
// What to do where something is missing, in so many words or as a condition with a negation: where it is not, when
// nothing does, unless it says. To take nothing from elsewhere does not say it.
pattern!(
    ABSTAINS,
    r"(?ix)
    (?:don.?t|do\ not|doesn.?t|does\ not|cannot|can.?t|could\ ?n.?t|could\ not|isn.?t|is\ not|aren.?t|are\ not|not|unable\ to)\ (?:\w+\ ){0,3}(?:know|find|found|contain\w*|have|mention\w*|sa(?:y|id)|answer\w*|provided?|enough|in\ the|sure|relevant|present|available|stated|covered|sufficient|helpful|possible|useful)
    | \bno\ (?:answer|information|relevant|context|useful) | unanswerable | insufficient | \bunknown\b | not\ make\ up | ask\ what\ you\ need
    | \b(?:if|when|whenever|where|wherever|unless|should|in\ case|in\ the\ absence)\b[^.\n]{0,120}(?:\b(?:not|no|none|nobody|nothing|neither|never|cannot|lacks?|lacking|miss(?:es|ing)|absent|absence|silent|empty|fails?|unclear|unsure|uncertain|unrelated|unable|irrelevant|outside|beyond|without|doubt|conflict\w*|out\ of\ scope)\b|n['’]t\b)
    | \bunless\b | \bif\ any\b | \botherwise\b | \bnot[\ _-]?(?:found|available|in\ (?:context|docs?))\b | \bn/a\b | (?:make|making|made)\ (?:\w+\ )?up\b | \b(?:invent|guess|fabricate|hallucinate|speculate)\w*
    | \b(?:wenn|falls|sofern|steht|finde[nt]?)\b[^.\n]{0,120}\b(?:nicht|nichts|kein\w*|fehl\w*|leer|unklar)\b | wei(?:ß|ss)\ (?:es\ |das\ |ich\ )?nicht | \berfinde\b
    | \b(?:si|s['’]il|lorsque|quand|au\ cas)\b[^.\n]{0,120}(?:\b(?:ne|pas|aucun\w*|rien|absent\w*|manque\w*|insuffisant\w*)\b|n['’]) | \bne\ sais\ pas | n['’]invente
    | \b(?:si|cuando|caso)\b[^.\n]{0,120}\b(?:no|ning[uú]n\w*|nada|falta\w*|ausente)\b | no\ lo\ s[eé] | no\ inventes
    | \b(?:se|quando|qualora)\b[^.\n]{0,120}\b(?:non|nessun\w*|manca\w*|assente)\b | non\ lo\ so
    | \b(?:se|quando|caso)\b[^.\n]{0,120}\b(?:não|nenhum\w*|nada|faltar?)\b | não\ sei
    | \b(?:als|indien|wanneer)\b[^.\n]{0,120}\b(?:niet|geen|niets|ontbreekt)\b | weet\ (?:ik\ )?(?:het\ )?niet
    | \b(?:jeśli|jeżeli|gdy|pokud|když|ak)\b[^.\n]{0,120}\b(?:nie|ne\w+|brak|chybí|není)\b | nie\ wiem | nevím
    | \b(?:если|когда|якщо|ако)\b[^.\n]{0,120}\b(?:не|нет|нету|немає|няма|отсутств\w*)\b | не\ знаю
    | \b(?:om|hvis|när|når|jos)\b[^.\n]{0,120}\b(?:inte|ingen|inget|ikke|intet|ei|eivät|puuttuu)\b
    | \b(?:dac[ăa]|când)\b[^.\n]{0,120}\b(?:nu|lipsește)\b | \b(?:αν|εάν|όταν)\b[^.\n]{0,120}\b(?:δεν|μη|μην)\b | \b(?:ha|amikor)\b[^.\n]{0,120}\b(?:nem|nincs|hiányzik)\b
    | \b(?:jika|bila|kalau|apabila)\b[^.\n]{0,120}\b(?:tidak|bukan|belum)\b | \b(?:nếu|khi)\b[^.\n]{0,120}\bkhông\b | \w*(?:yoksa|mıyorsa|miyorsa|muyorsa|müyorsa|değilse)\b | bilmiyorum
    | ない(?:場合|とき|時|なら|際|こと) | なければ | ありません | わかりません | 分かりません | 不明
    | (?:如果|如若|若|如|当|當|倘若|假如|一旦)[^。\n]{0,60}(?:没有|沒有|没|未|无|無|不|缺) | (?:找不到|没有|沒有|未|无|無)[^。\n]{0,20}(?:时|時|的话|的話) | 不知道 | 未提及 | [无無]法
    | 없(?:으면|는|다면|을|습니다|음) | 모르 | 않(?:으면|는|다면)
    | (?:إذا|إن|لو)[^.\n]{0,120}(?:لم|لا|ليس|غير) | لا\ أعرف | (?:اگر)[^.\n]{0,120}(?:ن[ب-ی]) | (?:यदि|अगर)[^।\n]{0,120}(?:नहीं|न\ हो) | (?:אם)[^.\n]{0,120}(?:לא|אין) | (?:หาก|ถ้า)[^\n]{0,120}ไม่
    "
);

/// Whether an answer of a form has a way out where the documents do not tell: something that may be empty, be left out or
/// say so. Where nothing in it is the answer to a question, none is needed.
fn has_way_out(schema: &Value) -> bool {
    let Some(fields) = schema.get("properties").and_then(Value::as_object) else { return true };
    let Some((name, answer)) = fields.iter().find(|(name, _)| ANSWERS.is_match(name)) else { return true };
    let is_left_out = |required: &Vec<Value>| required.iter().all(|known| known.as_str() != Some(name));
    let may_be_left_out = schema.get("required").and_then(Value::as_array).is_some_and(is_left_out);
    let is_other = |(other, field): (&String, &Value)| other != name && field.get("type") == Some(&"boolean".into());
    answer.get("type") != Some(&"string".into())
        || answer.get("enum").is_some()
        || may_be_left_out
        || fields.iter().any(is_other)
        || ABSTAINS.is_match(&schema.to_string().replace(['"', '_'], " "))
}

/// Documents to answer from, and nothing about what they do not say.
pub(super) fn no_abstention(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let front = &subject.prompt.front;
    let prints = || subject.parts.iter().flat_map(|part| part.prints.iter().map(move |print| (*part, print)));
    // What loops and `set` take from documents is documents, too.
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let is_document = |name: &str| (front.retriever.is_some() && name == DOCUMENTS) || NAMED_DOCUMENTS.is_match(name);
    for given in given(&subject.parts) {
        let from = given.names.iter().find_map(|name| known.get(name).or_else(|| is_document(name).then_some(name)));
        if let Some(from) = from.cloned() {
            known.entry(given.name).or_insert(from);
        }
    }
    let document = |name: &String| known.get(name).cloned().or_else(|| is_document(name).then(|| name.clone()));
    let found = prints().find_map(|(part, print)| Some((part, print, print.names.iter().find_map(document)?)));
    // Few prompts have documents, and what is said of them takes long to look for.
    let Some((part, print, name)) = found else { return };
    if front.output.as_ref().is_some_and(|output| has_way_out(&output.format.schema)) {
        return;
    }
    let prose = subject.prose();
    let prose = TAG.replace_all(&prose, " ");
    let has_question = || prints().any(|(_, print)| print.names.iter().any(|name| QUESTION.is_match(name)));
    let is_asked =
        ASKS.is_match(&prose) || ((front.retriever.is_some() || has_question()) && !OTHER_WORK.is_match(&prose));
    let is_given = prints().any(|(_, print)| print.names.iter().any(|name| ANSWERS.is_match(name)));
    if !is_asked || is_given || WORKS_ON.is_match(&prose) {
        return;
    }
    let abstains = |part: &&Template| ABSTAINS.is_match(&unwrapped(&part.masked[part.body..]));
    if !subject.parts.iter().any(abstains) {
        let message = format!("nothing says what to answer when `{name}` does not tell");
        sink.of(part, print.span.clone(), message).about(format!("{} {name}", part.key));
    }
}

/// A text with its paragraphs in one line each, and without tags: a sentence goes on in the next line.
fn unwrapped(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    TAG.replace_all(&paragraphs.collect::<Vec<_>>().join("\n"), " ").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_where_nothing_is_said_is_understood_in_many_languages() {
        for said in [
            "If the passages are silent, say so.",
            "Wenn der Text dazu nichts sagt, sag das.",
            "Si le texte ne le dit pas, dis-le.",
            "Cuando el texto no lo diga, dilo.",
            "Se il testo non lo dice, dillo.",
            "Se o texto não disser, diga isso.",
            "Als de tekst het niet zegt, meld dat.",
            "Jeśli tekst o tym nie mówi, napisz to.",
            "Pokud to v textu není, napiš to.",
            "Ak to v texte nie je, napíš to.",
            "Если в тексте этого нет, скажи об этом.",
            "Якщо в тексті цього немає, скажи про це.",
            "Om texten inte säger det, säg det.",
            "Hvis teksten ikke sier det, si det.",
            "Jos teksti ei kerro sitä, sano se.",
            "Dacă textul nu spune, scrie asta.",
            "Αν το κείμενο δεν το λέει, πες το.",
            "Ha a szöveg nem mondja, írd meg.",
            "Jika teks tidak menyebutnya, katakan itu.",
            "Nếu văn bản không nói, hãy cho biết.",
            "Metinde yoksa bunu belirt.",
            "文書に書かれていない場合は、そう伝えてください。",
            "如果文中没有，请说明。",
            "문서에 없으면 그렇게 말하세요.",
            "إذا لم يذكر النص ذلك فقل ذلك.",
            "اگر در متن نیست، بگو.",
            "यदि पाठ में नहीं है, तो बताएं।",
            "אם זה לא כתוב בטקסט, אמור זאת.",
            "หากข้อความไม่ได้บอก ให้แจ้ง",
        ] {
            assert!(ABSTAINS.is_match(said), "{said}");
        }
        for said in [
            "Answer the question in two sentences.",
            "Beantworte die Frage kurz.",
            "Réponds en deux phrases.",
            "请用两句话回答。",
        ] {
            assert!(!ABSTAINS.is_match(said), "{said}");
        }
    }
}
