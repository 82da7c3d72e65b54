//! Names of nodes and groups (domain facts A1).

use crate::Refusal;

/// Longest name of a node or group, in bytes (all characters are ASCII).
pub const NAME_BYTES_MAX: usize = 128;

/// Checks a name that an operator gave: 1 to 128 of letters, digits, `_` and `-`.
///
/// # Errors
/// [`Refusal::InvalidName`].
pub fn check_name(name: &str) -> Result<(), Refusal> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if fits && plain {
        Ok(())
    } else {
        Err(Refusal::InvalidName {
            name: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_digits_underscore_and_hyphen() {
        let longest = "a".repeat(NAME_BYTES_MAX);
        let too_long = "a".repeat(NAME_BYTES_MAX + 1);
        for (name, ok) in [
            ("a", true),
            ("East_1-b", true),
            (&*longest, true),
            (&*too_long, false),
            ("", false),
            ("two words", false),
            ("dot.ted", false),
            ("müller", false),
        ] {
            assert_eq!(check_name(name).is_ok(), ok, "{name:?}");
        }
    }
}
