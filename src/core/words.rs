//! Words of the sentences that people read.

/// So many of something: `1 call`, `2 calls`.
#[must_use]
pub fn counted(count: u64, one: &str, several: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {several}") }
}
