//! Texts as reasons show them: short, on one line, with what matters in view.

use icu_normalizer::ComposingNormalizerBorrowed;

/// The most characters of a text that a reason shows.
const SHOWN: usize = 160;

/// A text in quotes, cut in the middle of nowhere with `…` where it is long.
pub(super) fn quoted(text: &str) -> String {
    let flat = text.replace('\n', "⏎").replace('\r', "␍").replace('\t', "⇥");
    let mut chars = flat.chars();
    let head: String = chars.by_ref().take(SHOWN).collect();
    if chars.next().is_some() { format!("\"{head}…\"") } else { format!("\"{head}\"") }
}

/// What is said where two texts differ and look the same: `é` as one character, and as `e` with an accent.
pub(super) fn form_hint(one: &str, other: &str) -> &'static str {
    let composed = ComposingNormalizerBorrowed::new_nfc();
    if one != other && composed.normalize(one) == composed.normalize(other) {
        " (they differ only in their Unicode form: composed or decomposed characters)"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::form_hint;

    #[test]
    fn texts_that_look_the_same_get_a_hint() {
        assert!(form_hint("caf\u{e9}", "cafe\u{301}").contains("Unicode"));
        for (one, other) in [("a", "a"), ("a", "b"), ("e", "\u{e9}"), ("", "a")] {
            assert_eq!(form_hint(one, other), "");
        }
    }
}
