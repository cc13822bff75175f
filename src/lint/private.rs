//! What should not be in a repository: keys, and data of people. It is never shown, and no key of a finding is made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;
use std::sync::Arc;

use rayon::prelude::*;

use super::finding::Finding;
use super::look::{Look, Sink};
use super::pattern;
use super::text::Template;
use crate::core::problem::Source;
use crate::core::redact::{key_shape, key_shapes};
use crate::expect::personal_data;

/// The keys of a text, those left out that stand for one.
fn keys(text: &str) -> Vec<(&'static str, Range<usize>)> {
    let mut found = key_shapes(text);
    found.retain(|(what, range)| !stands_for_a_key(what, &text[range.clone()], &text[range.end..]));
    for value in ASSIGNED.captures_iter(text).filter_map(|found| found.name("value")) {
        let is_free = |(_, range): &(&str, Range<usize>)| range.end <= value.start() || value.end() <= range.start;
        if found.iter().all(is_free) && is_random(value.as_str()) {
            found.push(("a password or a key", value.range()));
        }
    }
    found.sort_by_key(|(_, range)| range.start);
    found
}

// What is given to a name that says what it is.
pattern!(
    ASSIGNED,
    r#"(?i)\b[\w-]*(?:api[_-]?key|secret(?:[_-]?(?:access[_-]?)?key)?|(?:access|auth|bearer)[_-]?token|passw(?:or)?d|passwd|passwort|pwd)["'`]?\s*(?:[:=]|is)\s*["'`]?(?P<value>[A-Za-z0-9+/_.~!@#%^&*=-]{16,})"#
);

// A name in code, of something that is read from elsewhere.
pattern!(OF_CODE, r"(?i)://|environ|getenv|config|process\.|secret|passw|token|key");

/// Whether nobody would write it who does not paste it: letters of both sizes and digits, or many digits of a hash.
fn is_random(value: &str) -> bool {
    let has = |is: fn(&char) -> bool| value.chars().any(|c| is(&c));
    let is_mixed = has(char::is_ascii_digit) && has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase);
    let is_hash = value.len() >= 32 && value.chars().all(|c| c.is_ascii_hexdigit()) && has(char::is_ascii_digit);
    let kinds = value.chars().collect::<BTreeSet<_>>().len();
    // A path, a sentence in dots and a call are written by somebody.
    let is_written = value.matches(['/', '.']).count() > 3 || value.contains("..") || OF_CODE.is_match(value);
    (is_mixed || is_hash) && kinds >= 8 && !is_written && !STAND_IN.is_match(value)
}

pattern!(STAND_IN, r"(?i)example|your|placeholder|xxxx|dummy|sample|changeme|change-me|redacted|insert|fake");
// A password that is the word, a variable, or stars.
pattern!(
    NO_PASSWORD,
    r"(?i)^[^:]+://[^:@]*:(?:pass(?:word|wd)?|pwd|secret|user(?:name)?|changeme|example|test|x+|\*+|\.+|[<$%{\[].*|.*[>}\]])@|@(?:[\w-]+\.)*example(?:\.\w+)?(?::\d+)?(?:/|$)"
);

/// Whether this is what documentation writes instead of a key: all the same letter, or a word that says so; the first
/// line of a private key without the key.
fn stands_for_a_key(what: &str, key: &str, behind: &str) -> bool {
    match what {
        "a private key" => {
            let body = behind.get(..behind.floor_char_boundary(400)).unwrap_or_default();
            let body = body.replace("\\n", "\n").replace("\\r", "");
            let is_of_key = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
            let said: Vec<char> = body.chars().filter(|c| !c.is_whitespace()).take_while(is_of_key).take(64).collect();
            let kinds = said.iter().collect::<BTreeSet<_>>().len();
            !body.trim_start().starts_with("Proc-Type") && (said.len() < 40 || kinds <= 3)
        }
        "a password in an address" => NO_PASSWORD.is_match(key),
        // The token that shows everywhere what such a token looks like.
        "a JSON web token" => key.contains("eyJzdWIiOiIxMjM0NTY3ODkw") || STAND_IN.is_match(key),
        _ => {
            let tail = key.get(4..).unwrap_or_default();
            let kinds = tail.chars().filter(char::is_ascii_alphanumeric).collect::<BTreeSet<_>>().len();
            kinds <= 2 || STAND_IN.is_match(key)
        }
    }
}

/// Keys in templates, cases, recordings and snapshots.
pub(super) fn secret(look: &Look<'_>, sink: &mut Sink) {
    let sources = look.material.templates.iter().map(|template| Arc::clone(&template.source));
    let sources: Vec<_> = sources.chain(look.material.texts().iter().cloned()).collect();
    let found: Vec<_> = sources.par_iter().map(|source| (source, keys(&source.text))).collect();
    for (source, keys) in found {
        for (what, span) in keys {
            let about = format!("{what} {}", source.path);
            let key = source.text[span.clone()].to_owned();
            sink.at(source, span, format!("this looks like {what}")).hidden().about(about).parts([key]);
        }
    }
}

/// What a text holds of people, that was not made up for it.
fn people(text: &str) -> Vec<(&'static str, Range<usize>)> {
    let is_of_somebody = |range: &Range<usize>| {
        let found = &text[range.clone()];
        !is_made_up(found) && !is_of_nobody(found, &text[range.end..])
    };
    personal_data(text).into_iter().filter(|(_, range)| is_of_somebody(range)).collect()
}

/// The same of a file. Of JSON the texts are searched, and no number: a score has digits, too.
fn people_of(source: &Source) -> Vec<(&'static str, Range<usize>)> {
    let text = &source.text;
    let parts: Vec<&str> = match source.path.rsplit_once('.') {
        Some((_, "jsonl")) => text.split_inclusive('\n').collect(),
        Some((_, "json")) => vec![text],
        _ => return people(text),
    };
    let (mut found, mut start) = (Vec::new(), 0);
    for part in parts {
        let json = said(part);
        let places = people(json.as_ref().map_or(part, |json| &json.text)).into_iter();
        let place = |at: usize| start + json.as_ref().map_or(at, |json| json.place(at));
        found.extend(places.map(|(what, range)| (what, place(range.start)..place(range.end))));
        start += part.len();
    }
    found
}

/// What JSON says: its texts, a line each.
struct Said {
    text: String,
    /// From where on in the text which bytes of the JSON follow each other.
    places: Vec<(usize, usize)>,
}

impl Said {
    fn place(&self, at: usize) -> usize {
        let next = self.places.partition_point(|(from, _)| *from <= at);
        next.checked_sub(1).and_then(|index| self.places.get(index)).map_or(0, |(from, place)| place + (at - from))
    }

    fn goes_on(&mut self, place: usize) {
        self.places.push((self.text.len(), place));
    }
}

/// Every text of JSON, keys included; `None` where it is none.
fn said(json: &str) -> Option<Said> {
    serde_json::from_str::<serde::de::IgnoredAny>(json).ok()?;
    let mut said = Said { text: String::new(), places: Vec::new() };
    let mut rest = json.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        if c != '"' {
            continue;
        }
        said.goes_on(at + 1);
        while let Some((at, c)) = rest.next() {
            match c {
                '"' => {
                    said.goes_on(at);
                    break;
                }
                '\\' => {
                    said.goes_on(at);
                    said.text.push(escaped(json, at, &mut rest));
                    said.goes_on(rest.peek().map_or(json.len(), |(next, _)| *next));
                }
                c => said.text.push(c),
            }
        }
        // No number goes on in the next text.
        said.text.push('\n');
    }
    Some(said)
}

/// The character of an escape that begins at `at`. One that needs two escapes is no letter or digit of what is looked for.
fn escaped(json: &str, at: usize, rest: &mut Peekable<CharIndices<'_>>) -> char {
    let Some((_, kind)) = rest.next() else { return ' ' };
    match kind {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' | 'f' => ' ',
        'u' => {
            let code = json.get(at + 2..at + 6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
            for _ in 0..4 {
                rest.next();
            }
            code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        other => other,
    }
}

/// Hides the lines of a finding that hold what nobody should read, whatever it is about.
pub(super) fn guard(finding: &mut Finding) {
    const FAR: usize = 2000;
    let text = &finding.source.text;
    let before = text.floor_char_boundary(finding.span.start.saturating_sub(FAR));
    let behind = text.ceil_char_boundary((finding.span.end + FAR).min(text.len()));
    let from = text[before..finding.span.start].rfind('\n').map_or(before, |at| before + at + 1);
    let to = text[finding.span.end..behind].find('\n').map_or(behind, |at| finding.span.end + at);
    let lines = &text[from..to];
    if key_shape(lines).is_some() || !people(lines).is_empty() {
        finding.is_hidden = true;
    }
}

/// Addresses and numbers that are set aside for examples.
fn is_made_up(text: &str) -> bool {
    let text = text.to_lowercase();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let domains =
        ["example.com", "example.org", "example.net", "example.edu", ".example", ".test", ".invalid", ".localhost"];
    let cards = ["4242424242424242", "4111111111111111", "4000056655665556", "5555555555554444", "378282246310005"];
    domains.iter().any(|domain| text.ends_with(domain))
        || cards.contains(&digits.as_str())
        || (!text.contains('@') && FICTIONAL.is_match(&in_full(&text, &digits)))
        || IBANS.contains(&plain.as_str())
        || (text.len() == 11 && SOCIAL_SECURITY.contains(&text.as_str()))
}

/// The examples of the registry of IBANs (SWIFT), and of what is written about them.
const IBANS: [&str; 24] = [
    "at611904300234573201",
    "be68539007547034",
    "ch9300762011623852957",
    "cz6508000000192000145399",
    "de89370400440532013000",
    "dk5000400440116243",
    "es9121000418450200051332",
    "fi2112345600000785",
    "fr1420041010050500013m02606",
    "fr7630006000011234567890189",
    "gb29nwbk60161331926819",
    "gb33bukb20201555555555",
    "gb82west12345698765432",
    "hu42117730161111101800000000",
    "ie29aibk93115212345678",
    "it60x0542811101000000123456",
    "lu280019400644750000",
    "nl91abna0417164300",
    "no9386011117947",
    "pl61109010140000071219812874",
    "pt50000201231234567890154",
    "ro49aaaa1b31007593840000",
    "se4550000000058398257466",
    "si56263300012039086",
];

/// Numbers that everybody writes, and those that were printed on cards and in advertisements and are nobody's since.
const SOCIAL_SECURITY: [&str; 5] = ["123-45-6789", "078-05-1120", "219-09-9999", "457-55-5462", "111-11-1111"];

/// The digits of a number, with `+` in front where it has its country's code.
fn in_full(text: &str, digits: &str) -> String {
    if text.trim_start_matches('(').starts_with('+') {
        format!("+{digits}")
    } else if let Some(rest) = digits.strip_prefix("00").filter(|rest| rest.len() > 8) {
        format!("+{rest}")
    } else {
        digits.to_owned()
    }
}

// Numbers that authorities keep for films and books: 555-01xx in North America, and those of Ofcom, ACMA, ARCEP and the
// Bundesnetzagentur.
pattern!(
    FICTIONAL,
    r"^(?:\+?1?(?:[2-9]\d{2})?55501\d{2}|(?:\+44|0)(?:7700900\d{3}|1632960\d{3}|2079460\d{3}|1[1-9]\d?4960\d{3})|(?:\+61|0)(?:49157[0-5]\d{3}|[2378]5550\d{4}|[2378]7010\d{4})|(?:\+33|0)(?:19900|26191|35301|46571|53649|63998)\d{4}|(?:\+49|0)(?:3023125\d{3}|6990009\d{3}|4066969\d{3}|2214710\d{3}|8999998\d{3}|1713920\d{3}|176040690\d{2}))$"
);
// Numbers that are free or cost extra: only companies have them.
pattern!(
    OF_COMPANIES,
    r"^(?:\+?1?8(?:00|33|44|55|66|77|88)\d{7}|0(?:800|808|300|303|330|333|345|843|844|845|870|871|900|810|820|180[1-7]|137)\d{4,}|1[38]00\d{4,6}|\+800\d{6,}|\+(?:49|43|41|44|33|39|34|31|32|353|61|64|27)1?(?:800|808|900|300|345)\d{4,})$"
);
// Of an office and not of a person: a word for what it does, alone or in front of more; what compounds of such a word end in.
pattern!(
    ROLE,
    concat!(
        r"(?i)^(?:",
        r"(?:no-?_?reply|do-?not-?reply|info|information|support|help|helpdesk|contact|hello|hi|mail|office|sales|service|services",
        r"|billing|invoices?|accounts?|accounting|payments?|payroll|finance|expenses|purchasing|procurement|admin|administrator|administration|root|team",
        r"|press|media|jobs|careers|recruiting|recruitment|hr|legal|privacy|gdpr|compliance|dpo|security|abuse|postmaster|webmaster|hostmaster",
        r"|newsletter|news|feedback|complaints|claims|orders?|returns?|refunds?|shipping|logistics|warehouse|shop|store|notifications?|alerts?|updates?",
        r"|mailer-daemon|bounces?|marketing|events|partners?|booking|bookings|travel|reservations?|reception|enquiries|inquiries|membership|donations|facilities",
        r"|it|ops|devops|dev|api|bot|git|hg|svn|ssh|customer[._-]?(?:care|service|support|success)",
        r"|kundenservice|kundendienst|kontakt|hilfe|bewerbung(?:en)?|personal|presse|datenschutz|buchhaltung|rechnung(?:en)?|mahnung(?:en)?|einkauf|verkauf|vertrieb",
        r"|versand|lager|technik|empfang|sekretariat|zentrale|verwaltung|redaktion|leitung|geschaeftsfuehrung|anfragen?|anmeldung|bestellung(?:en)?",
        r"|reklamation(?:en)?|retouren?|widerruf|werkstatt|praxis|kanzlei|termine|spenden|poststelle|buero",
        r"|contacto|ayuda|ventas|compras|pedidos|facturacion|facturas|administracion|atencion|reservas|rrhh",
        r"|aide|vente|ventes|achats|commandes|factures|comptabilite|accueil|secretariat|direction|reclamations|sav|service-?client",
        r"|amministrazione|ordini|assistenza|ufficio|acquisti|vendite|fatture|prenotazioni|klantenservice|boekhouding|verkoop|inkoop|bestellingen)",
        r"(?:[+._-][\w.+-]*)?",
        r"|[a-z]{3,}(?:kosten|abteilung|stelle|service|desk|center|hotline|verwaltung|buchhaltung|anfragen|bestellungen|beratung|betreuung|annahme|abrechnung)",
        r"|[a-z]{2,}[_-](?:support|service|services|team|desk|helpdesk|center|hotline|info|office|sales|help)",
        r")@"
    )
);
pattern!(REPOSITORY, r"^:[\w~./-]*\w");

/// Whether an address or a number belongs to no person: of an office, of a hotline, of a repository.
fn is_of_nobody(text: &str, behind: &str) -> bool {
    if text.contains('@') {
        return ROLE.is_match(text)
            || (REPOSITORY.is_match(behind) && behind.get(1..).is_some_and(|path| path.contains('/')));
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    OF_COMPANIES.is_match(&in_full(text, &digits))
}

fn told(found: &[(&'static str, Range<usize>)]) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (what, _) in found {
        *counts.entry(what).or_default() += 1;
    }
    let each = counts
        .into_iter()
        .map(|(what, count)| if count == 1 { what.to_owned() } else { format!("{count} times {what}") });
    each.collect::<Vec<_>>().join(", ")
}

/// The lines that something stands in: of many the first.
fn lines(source: &Source, found: &[(&'static str, Range<usize>)]) -> String {
    const MOST: usize = 5;
    let starts: Vec<usize> = std::iter::once(0).chain(source.text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let of = |span: &Range<usize>| starts.partition_point(|start| *start <= span.start);
    let lines: BTreeSet<usize> = found.iter().map(|(_, span)| of(span)).collect();
    let shown: Vec<String> = lines.iter().take(MOST).map(usize::to_string).collect();
    match lines.len().saturating_sub(MOST) {
        0 if lines.len() == 1 => format!("line {}", shown.concat()),
        0 => format!("the lines {}", shown.join(", ")),
        more => format!("the lines {} and {more} more", shown.join(", ")),
    }
}

/// Data of people in templates, cases, recordings and accepted answers.
pub(super) fn personal(look: &Look<'_>, sink: &mut Sink) {
    let of_template = |template: &Template| (Arc::clone(&template.source), people(&template.source.text));
    let templates = look.material.templates.par_iter().map(of_template);
    let files = look.material.texts().par_iter().map(|source| (Arc::clone(source), people_of(source)));
    let all: Vec<_> = templates.chain(files).filter(|(_, found)| !found.is_empty()).collect();
    for (source, found) in all {
        let Some((_, first)) = found.first() else { continue };
        let message = format!("this file holds {} in {}", told(&found), lines(&source, &found));
        let about = source.path.clone();
        let parts: Vec<String> = found.iter().map(|(_, span)| source.text[span.clone()].to_owned()).collect();
        sink.at(&source, first.clone(), message).hidden().about(about).parts(parts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_for_examples_is_of_nobody() {
        for iban in IBANS {
            let upper = iban.to_uppercase();
            let groups: Vec<&str> = (0..upper.len()).step_by(4).map(|at| &upper[at..upper.len().min(at + 4)]).collect();
            for text in [upper.clone(), groups.join(" ")] {
                assert_eq!(personal_data(&text).len(), 1, "{text} is an IBAN");
                assert!(people(&text).is_empty(), "{text}");
            }
        }
        for text in ["+1 555 0100", "123-45-6789", "078-05-1120", "reisekosten@firma.de", "eu-support@firma.de"] {
            assert!(people(text).is_empty(), "{text}");
        }
        for text in ["DE12 5001 0517 0648 4898 90", "tel. 01761234567", "123-45-6788", "max.mustermann@firma.de"] {
            assert_eq!(people(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn of_json_the_texts_are_searched() {
        let jsonl = concat!(
            r#"{"score":1.3574587608062283,"n":4111111111111112,"id":4532015112830366}"#,
            "\n",
            r#"{"text":"Ann\n4532015112830366 \u0041 \ud83d\ude00 ann.b@firma.de\"","x":[1.5]}"#,
            "\nno json 4532 0151 1283 0366\n"
        );
        let source = Source::new("fixtures/p/x.jsonl", jsonl);
        let found: Vec<(&str, &str)> =
            people_of(&source).into_iter().map(|(what, range)| (what, &source.text[range])).collect();
        let (card, mail) = ("the number of a payment card", "an e-mail address");
        let expected = [(card, "4532015112830366"), (mail, "ann.b@firma.de"), (card, "4532 0151 1283 0366")];
        assert_eq!(found, expected);
        assert_eq!(people(jsonl).len(), 3, "the score is no number of a card anywhere");
    }
}
