//! `language`: which language an answer is written in.

use std::sync::LazyLock;

use regex::Regex;
use whatlang::{Lang, Script};

use super::argument::Arguments;
use super::fence::blocks;
use super::fixed::fixed;
use super::shown::quoted;
use super::{Check, Finding, Subject, Written};
use crate::core::suggest::did_you_mean;

/// A text with fewer letters tells nothing, unless its letters belong to one language alone.
const LETTERS: usize = 25;
/// Below this the detector guesses.
const SURE: f64 = 0.1;
/// The most of a text that is looked at, in characters.
const HEAD: usize = 20_000;

/// ISO 639-1, and the code of ISO 639-3 that the detector has.
const CODES: [(&str, Lang); 70] = [
    ("af", Lang::Afr),
    ("ak", Lang::Aka),
    ("am", Lang::Amh),
    ("ar", Lang::Ara),
    ("az", Lang::Aze),
    ("be", Lang::Bel),
    ("bg", Lang::Bul),
    ("bn", Lang::Ben),
    ("ca", Lang::Cat),
    ("cs", Lang::Ces),
    ("cy", Lang::Cym),
    ("da", Lang::Dan),
    ("de", Lang::Deu),
    ("el", Lang::Ell),
    ("en", Lang::Eng),
    ("eo", Lang::Epo),
    ("es", Lang::Spa),
    ("et", Lang::Est),
    ("fa", Lang::Pes),
    ("fi", Lang::Fin),
    ("fr", Lang::Fra),
    ("gu", Lang::Guj),
    ("he", Lang::Heb),
    ("hi", Lang::Hin),
    ("hr", Lang::Hrv),
    ("hu", Lang::Hun),
    ("hy", Lang::Hye),
    ("id", Lang::Ind),
    ("it", Lang::Ita),
    ("ja", Lang::Jpn),
    ("jv", Lang::Jav),
    ("ka", Lang::Kat),
    ("km", Lang::Khm),
    ("kn", Lang::Kan),
    ("ko", Lang::Kor),
    ("la", Lang::Lat),
    ("lt", Lang::Lit),
    ("lv", Lang::Lav),
    ("mk", Lang::Mkd),
    ("ml", Lang::Mal),
    ("mr", Lang::Mar),
    ("my", Lang::Mya),
    ("nb", Lang::Nob),
    ("ne", Lang::Nep),
    ("nl", Lang::Nld),
    ("no", Lang::Nob),
    ("or", Lang::Ori),
    ("pa", Lang::Pan),
    ("pl", Lang::Pol),
    ("pt", Lang::Por),
    ("ro", Lang::Ron),
    ("ru", Lang::Rus),
    ("si", Lang::Sin),
    ("sk", Lang::Slk),
    ("sl", Lang::Slv),
    ("sn", Lang::Sna),
    ("sr", Lang::Srp),
    ("sv", Lang::Swe),
    ("ta", Lang::Tam),
    ("te", Lang::Tel),
    ("th", Lang::Tha),
    ("tk", Lang::Tuk),
    ("tl", Lang::Tgl),
    ("tr", Lang::Tur),
    ("uk", Lang::Ukr),
    ("ur", Lang::Urd),
    ("uz", Lang::Uzb),
    ("vi", Lang::Vie),
    ("yi", Lang::Yid),
    ("zh", Lang::Cmn),
];

struct Language(Vec<Lang>);

pub(super) fn language(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("the code of a language such as `en`")?;
    let codes = arguments.decoder.texts(node, "the value of `language`")?;
    let mut languages = Vec::with_capacity(codes.len());
    for code in &codes {
        let Some(language) = by_code(code) else {
            let known = CODES.iter().map(|(short, _)| *short).chain(["zu"]);
            let hint = did_you_mean(code, known.clone());
            let known: Vec<&str> = known.collect();
            let message = format!("`{code}` is no code of a language that is known here{hint}");
            let help = format!("known: {}, and their codes of three letters", known.join(", "));
            arguments.decoder.error_help(node.span.clone(), message, help);
            return None;
        };
        languages.push(language);
    }
    if languages.is_empty() {
        arguments.error("`language` needs the code of a language");
        return None;
    }
    Some(fixed(Language(languages)))
}

/// The language of a code: of two letters, of three, or with a region behind it (`pt-BR`), which nobody can tell.
fn by_code(code: &str) -> Option<Lang> {
    let code = code.trim().to_lowercase();
    let primary = code.split(['-', '_']).next().unwrap_or_default();
    let short = CODES.iter().find(|(short, _)| *short == primary).map(|(_, language)| *language);
    short.or(if primary == "zu" { Some(Lang::Zul) } else { None }).or_else(|| Lang::from_code(primary))
}

/// What is no language: inline code, addresses.
static OTHER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"`[^`\n]*`|\b[a-z][a-z0-9+.-]*://\S+|\bwww\.\S+|\S+@\S+\.\S+").ok());

/// The language of a text by its English name, where that can be told.
pub(super) fn name_of(text: &str) -> Option<&'static str> {
    detect(text).map(Lang::eng_name)
}

fn detect(text: &str) -> Option<Lang> {
    guess(text).and_then(|(found, why)| why.is_none().then_some(found))
}

/// The likeliest language of a text, and why it is not told for sure.
fn guess(text: &str) -> Option<(Lang, Option<Doubt>)> {
    let mut prose = String::new();
    let mut at = 0;
    for block in blocks(text) {
        prose.push_str(&text[at..block.whole.start]);
        at = block.whole.end;
    }
    prose.push_str(&text[at..]);
    let prose: String = prose.chars().take(HEAD).collect();
    let prose = OTHER.as_ref().map_or_else(|| prose.clone(), |other| other.replace_all(&prose, " ").into_owned());
    let found = whatlang::detect(&prose)?;
    let alone = matches!(
        found.script(),
        Script::Hiragana | Script::Katakana | Script::Hangul | Script::Mandarin | Script::Thai | Script::Greek
    );
    let enough = prose.chars().filter(|c| c.is_alphabetic()).count() >= LETTERS;
    let doubt = match (alone, enough) {
        (true, _) => None,
        (_, false) => Some(Doubt::Short),
        _ => (found.confidence() < SURE).then_some(Doubt::Close),
    };
    Some((found.lang(), doubt))
}

/// Why the language of a text is not told.
#[derive(Clone, Copy, PartialEq)]
enum Doubt {
    /// It has too few letters.
    Short,
    /// Another language is nearly as likely: Danish and Norwegian.
    Close,
}

impl Check for Language {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let text = &subject.response.text;
        let names: Vec<&str> = self.0.iter().map(|language| language.eng_name()).collect();
        let why = match guess(text) {
            Some((found, None)) => {
                let (wanted, found_name) = (names.join(" or "), found.eng_name());
                let why = format!("expected {wanted}; the answer seems to be {found_name}: {}", quoted(text));
                return Finding::new(self.0.contains(&found), why);
            }
            Some((found, Some(Doubt::Close))) => {
                format!("the answer is most like {}, but another language is nearly as likely", found.eng_name())
            }
            _ => "the answer is too short to tell its language, or holds too little prose".to_owned(),
        };
        Finding::unknown(format!("{why}; expected {}: {}", names.join(" or "), quoted(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_of_the_detector_has_a_code() {
        for language in Lang::all() {
            assert_eq!(by_code(language.code()), Some(*language));
            let short = CODES.iter().any(|(_, known)| known == language) || *language == Lang::Zul;
            assert!(short, "{}", language.code());
        }
        assert_eq!(by_code("pt-BR"), Some(Lang::Por));
        assert_eq!(by_code("xx"), None);
    }

    #[test]
    fn prose_tells_its_language_and_short_texts_do_not() {
        for (text, expected) in [
            ("You can get a full refund within 14 days of purchase.", "en"),
            ("Sie können innerhalb von 14 Tagen eine volle Rückerstattung erhalten.", "de"),
            ("Vous pouvez obtenir un remboursement complet sous 14 jours.", "fr"),
            ("Puede obtener un reembolso completo en un plazo de 14 días.", "es"),
            ("È possibile ottenere un rimborso completo entro 14 giorni.", "it"),
            ("Você pode obter um reembolso total em até 14 dias.", "pt"),
            ("U kunt binnen 14 dagen een volledige terugbetaling krijgen.", "nl"),
            ("Вы можете получить полный возврат в течение 14 дней.", "ru"),
            ("Ви можете отримати повне відшкодування протягом 14 днів.", "uk"),
            ("14日以内に全額返金を受けることができます。", "ja"),
            ("您可以在14天内获得全额退款。", "zh"),
            ("14일 이내에 전액 환불을 받을 수 있습니다.", "ko"),
            ("Możesz uzyskać pełny zwrot pieniędzy w ciągu 14 dni.", "pl"),
            ("Du kan få full återbetalning inom 14 dagar.", "sv"),
            ("Du kan få fuld refusion inden for 14 dage.", "da"),
            ("يمكنك استرداد المبلغ بالكامل خلال 14 يومًا.", "ar"),
            ("आप 14 दिनों के भीतर पूर्ण धनवापसी पा सकते हैं।", "hi"),
            ("คุณสามารถขอเงินคืนเต็มจำนวนได้ภายใน 14 วัน", "th"),
            ("Μπορείτε να λάβετε πλήρη επιστροφή χρημάτων εντός 14 ημερών.", "el"),
            (
                "See `let x = 1` at https://example.org/seite: Sie können das Geld zurückbekommen.\n```\nfor item in the list\n```",
                "de",
            ),
        ] {
            assert_eq!(detect(text), by_code(expected), "{text}");
        }
        let danish = "Din pakke bliver leveret i morgen mellem klokken 10 og 12.";
        assert!(guess(danish).is_none_or(|(_, doubt)| doubt != Some(Doubt::Short)), "it is long enough");
        for text in [
            "Yes.",
            "Hello there",
            "42",
            "😀",
            "$5.00",
            "https://example.org/",
            "```\nlet it be known that this is code\n```",
        ] {
            assert_eq!(detect(text), None, "{text}");
        }
    }
}
