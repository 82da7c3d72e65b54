//! Finds the functions of a Rust file and their lengths, without a parser: text, comments and characters are blanked
//! out first, and then braces can be counted.

/// One function with a body.
#[derive(Debug, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// From the line of `fn` to the line of the closing brace.
    pub(crate) lines: usize,
    /// Whether an attribute `#[test]` stands right before it.
    pub(crate) test: bool,
}

/// Every function of a file, nested ones included.
pub(crate) fn functions(source: &str) -> Vec<Function> {
    let code = blank(source);
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = code[at..].find("fn ") {
        let start = at + offset;
        at = start + 3;
        let word_before = start > 0 && is_word(bytes[start - 1]);
        let name: String = code[at..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if word_before || name.is_empty() {
            continue;
        }
        if let Some((open, close)) = body(bytes, at + name.len()) {
            let lines = code[start..=close].matches('\n').count() + 1;
            found.push(Function {
                name,
                lines,
                test: is_test(&code[..start]),
            });
            at = open + 1;
        }
    }
    found
}

/// The braces of the body that follows a signature; `None` for a declaration that ends with a semicolon.
fn body(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut nested = 0_usize;
    let mut open = None;
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match (byte, open) {
            (b'(' | b'[', None) => nested += 1,
            (b')' | b']', None) => nested = nested.saturating_sub(1),
            (b';', None) if nested == 0 => return None,
            (b'{', None) if nested == 0 => {
                open = Some(at);
                nested = 1;
            }
            (b'{', Some(_)) => nested += 1,
            (b'}', Some(start)) => {
                nested -= 1;
                if nested == 0 {
                    return Some((start, at));
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether the attributes right before a function hold `#[test]`.
fn is_test(before: &str) -> bool {
    let (above, own_line) = before.rsplit_once('\n').unwrap_or(("", before));
    own_line.contains("#[test]")
        || above
            .lines()
            .rev()
            .map(str::trim)
            .take_while(|line| line.is_empty() || line.starts_with("#["))
            .any(|line| line == "#[test]" || line.starts_with("#[tokio::test"))
}

/// The same text with comments, strings and characters replaced by blanks; line ends stay.
fn blank(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => line_end(&chars, at),
            '/' if chars.get(at + 1) == Some(&'*') => comment_end(&chars, at),
            '"' => string_end(&chars, at + 1),
            'r' if at == 0 || !is_word_char(chars[at - 1]) || chars[at - 1] == 'b' => {
                raw_end(&chars, at).unwrap_or(at)
            }
            '\'' => char_end(&chars, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            out.push(if chars[at].is_ascii() { chars[at] } else { '_' });
            at += 1;
        } else {
            out.extend(
                chars[at..end]
                    .iter()
                    .map(|c| if *c == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        }
    }
    out
}

fn line_end(chars: &[char], from: usize) -> usize {
    (from..chars.len())
        .find(|&at| chars[at] == '\n')
        .unwrap_or(chars.len())
}

/// Block comments nest in Rust.
fn comment_end(chars: &[char], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = from;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 1;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    chars.len()
}

fn string_end(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 1,
            '"' => return at + 1,
            _ => {}
        }
        at += 1;
    }
    chars.len()
}

/// The end of `r"…"` or `r#"…"#`; `None` when the `r` begins something else.
fn raw_end(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from + 1..].iter().take_while(|c| **c == '#').count();
    let quote = from + 1 + hashes;
    if chars.get(quote) != Some(&'"') {
        return None;
    }
    let closes =
        |at: usize| chars[at] == '"' && (1..=hashes).all(|n| chars.get(at + n) == Some(&'#'));
    Some(
        (quote + 1..chars.len())
            .find(|&at| closes(at))
            .map_or(chars.len(), |at| at + hashes + 1),
    )
}

/// The end of a character; `None` when the quote begins a lifetime.
fn char_end(chars: &[char], from: usize) -> Option<usize> {
    match (chars.get(from + 1)?, chars.get(from + 2)?) {
        ('\\', _) => (from + 3..chars.len())
            .find(|&at| chars[at] == '\'')
            .map(|at| at + 1),
        (_, '\'') => Some(from + 3),
        _ => None,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
#[path = "functions_test.rs"]
mod functions_test;
