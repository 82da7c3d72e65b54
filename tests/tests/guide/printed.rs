//! Compares what a page says with what was printed: … stands for anything in a line, a line of it for any lines, and
//! `<WORD>` for a word that is kept. Blanks are for the eye: how many there are depends on what varies.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// What stood for the words in brackets, with their brackets.
pub(crate) type Words = BTreeMap<String, String>;

const ANYTHING: char = '…';

/// Compares; returns the words.
///
/// # Errors
/// Fails with the place of the first line that was not printed, or behind the last one if more was.
pub(crate) fn compare(expected: &[String], printed: &str) -> Result<Words, usize> {
    let expected: Vec<_> = expected.iter().map(|line| neat(line)).collect();
    let printed: Vec<_> = printed.trim_end().lines().map(neat).collect();
    if let Some(words) = lines(&expected, &printed, &Words::new()) {
        return Ok(words);
    }
    let more = ANYTHING.to_string();
    let begins = |count: &usize| {
        let begin = [&expected[..*count], std::slice::from_ref(&more)].concat();
        lines(&begin, &printed, &Words::new()).is_some()
    };
    Err((0..=expected.len()).rev().find(begins).unwrap_or_default())
}

/// Puts the words in the place of their names.
///
/// # Errors
/// Fails when one was never printed.
pub(crate) fn fill_in(script: &str, words: &Words) -> Result<String> {
    let mut filled = String::new();
    let mut rest = script;
    while let Some((before, name, after)) = next_name(rest) {
        let word = words
            .get(name)
            .with_context(|| format!("nothing was printed that is {name}"))?;
        filled.extend([before, word]);
        rest = after;
    }
    Ok(filled + rest)
}

/// The first `<WORD>` of a text, with what is before and behind it.
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    for (from, _) in text.match_indices('<') {
        let inside = &text[from + 1..];
        let length = inside.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        if let Some(length) =
            length.filter(|&length| length > 0 && inside[length..].starts_with('>'))
        {
            let to = from + length + 2;
            return Some((&text[..from], &text[from..to], &text[to..]));
        }
    }
    None
}

fn neat(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lines(expected: &[String], printed: &[String], words: &Words) -> Option<Words> {
    let Some((first, others)) = expected.split_first() else {
        return printed.is_empty().then(|| words.clone());
    };
    if first.chars().eq([ANYTHING]) {
        return (0..=printed.len()).find_map(|passed| lines(others, &printed[passed..], words));
    }
    let (line, rest) = printed.split_first()?;
    let words = within(first, line, words)?;
    lines(others, rest, &words)
}

fn within(expected: &str, line: &str, words: &Words) -> Option<Words> {
    let anything = expected.find(ANYTHING);
    let name = next_name(expected);
    if let Some((before, name, after)) =
        name.filter(|(before, ..)| anything.is_none_or(|at| before.len() < at))
    {
        let rest = line.strip_prefix(before)?;
        let end = rest.find(' ').unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        let mut words = words.clone();
        let known = words
            .entry(name.to_owned())
            .or_insert_with(|| word.to_owned());
        let same = known == word && !word.is_empty();
        return if same {
            within(after, rest, &words)
        } else {
            None
        };
    }
    let Some(at) = anything else {
        return (expected == line).then(|| words.clone());
    };
    let rest = line.strip_prefix(&expected[..at])?;
    let after = &expected[at + ANYTHING.len_utf8()..];
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.into_iter()
        .find_map(|end| within(after, &rest[end..], words))
}

#[cfg(test)]
mod tests {
    use super::{Words, compare, fill_in};

    fn expected(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn dots_are_anything_and_blanks_do_not_count() {
        for (page, printed, result) in [
            ("NAME  AGE\na  …", "NAME     AGE\na   1m1s\n", Ok(())),
            ("one\n…\nlast", "one\ntwo\nthree\nlast\n", Ok(())),
            ("one\n…", "one\n", Ok(())),
            ("…\nlast", "last\n", Ok(())),
            ("a … b … c", "a 1 b 2 c", Ok(())),
            ("", "", Ok(())),
            ("one\ntwo\n…", "one\n2\n", Err(1)),
            ("one", "one\nmore\n", Err(1)),
            ("one\n…\nlast", "one\ntwo\n", Err(2)),
            ("a … c", "a b", Err(0)),
        ] {
            let found = compare(&expected(page), printed).map(drop);
            assert_eq!(found, result, "{page:?} and {printed:?}");
        }
    }

    #[test]
    fn words_in_brackets_are_kept_and_are_the_same_throughout() {
        let page = expected("password: <WORD>\nagain <WORD>");
        let words = compare(&page, "password: x7-y\nagain x7-y\n").expect("it is the same");
        assert_eq!(
            words,
            Words::from([("<WORD>".to_owned(), "x7-y".to_owned())])
        );
        assert_eq!(compare(&page, "password: x\nagain y\n"), Err(1));
        let script = "cat <<END >x </dev/null\njoin <WORD>, <WORD>";
        let filled = fill_in(script, &words).expect("it is known");
        assert_eq!(filled, "cat <<END >x </dev/null\njoin x7-y, x7-y");
        assert!(fill_in("<OTHER>", &words).is_err());
    }
}
