//! What callers sent, as it stands in a refusal: never longer than a line, whatever it was.

/// Bytes of it. No word that is known here is as long.
const BYTES_MAX: usize = 100;

/// The start of a text, all of it where it is short.
pub(crate) fn start_of(text: &str) -> &str {
    text.split_at(text.floor_char_boundary(BYTES_MAX)).0
}

/// The start of a text in quotes, and dots where there is more of it.
pub(crate) fn quoted(text: &str) -> String {
    let start = start_of(text);
    let more = if start.len() < text.len() { "..." } else { "" };
    format!("{start:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_short_and_cut_between_two_characters() {
        assert_eq!(quoted("At \"Lunch\""), r#""At \"Lunch\"""#);
        assert_eq!(start_of(&"x".repeat(100)).len(), 100);
        let long = "ä".repeat(500_000);
        assert_eq!(quoted(&long), format!("\"{}\"...", "ä".repeat(50)));
        assert_eq!(start_of(&format!("x{long}")).len(), 99);
    }
}
