//! Texts as reasons show them: short, on one line, with what matters in view.

/// The most characters of a text that a reason shows.
const SHOWN: usize = 160;

/// A text in quotes, cut in the middle of nowhere with `…` where it is long.
pub(super) fn quoted(text: &str) -> String {
    let flat = text.replace('\n', "⏎").replace('\r', "␍").replace('\t', "⇥");
    let mut chars = flat.chars();
    let head: String = chars.by_ref().take(SHOWN).collect();
    if chars.next().is_some() { format!("\"{head}…\"") } else { format!("\"{head}\"") }
}
