//! Where passwords come from.

use crate::cli::PasswordSource;
use crate::failure::Failure;
use crate::output::progress;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::Path;

/// Letters and digits that are not taken for one another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// 100 bits.
const GENERATED_CHARS: usize = 20;
/// Bytes of the longest first line that is read.
const LINE_BYTES_MAX: u64 = 4096;

/// A password, and whether it has to be shown because nobody has seen it.
pub(super) struct Password {
    pub(super) text: String,
    pub(super) generated: bool,
}

impl Password {
    pub(super) fn from(source: &PasswordSource) -> Result<Self, Failure> {
        if source.generate {
            return Ok(Self {
                text: generate()?,
                generated: true,
            });
        }
        let text = match &source.password_file {
            Some(path) => first_line(path)?,
            None => prompt()?,
        };
        if text.is_empty() {
            return Err(Failure::Refused("the password is empty".to_owned()));
        }
        Ok(Self {
            text,
            generated: false,
        })
    }
}

fn generate() -> Result<String, Failure> {
    let mut bytes = [0; GENERATED_CHARS];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::Refused(format!("no randomness from the system: {error}")))?;
    // 256 is a multiple of 32, so every character is as likely as the others.
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect())
}

fn first_line(path: &Path) -> Result<String, Failure> {
    let read = |from: &mut dyn Read| {
        let mut line = String::new();
        BufReader::new(from.take(LINE_BYTES_MAX)).read_line(&mut line)?;
        line.truncate(line.trim_end_matches(['\r', '\n']).len());
        Ok(line)
    };
    let line = if path == Path::new("-") {
        read(&mut io::stdin())
    } else {
        File::open(path).and_then(|mut file| read(&mut file))
    };
    line.map_err(|error| Failure::file(path, &error))
}

fn prompt() -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "nobody can be asked for the password: give --password-file or --generate".to_owned(),
        ));
    }
    for _ in 0..3 {
        let first = rpassword::prompt_password("Password: ")?;
        if rpassword::prompt_password("Once more: ")? == first {
            return Ok(first);
        }
        progress("they differ");
    }
    Err(Failure::Refused("no password was given".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    #[test]
    fn the_first_line_of_a_file_is_the_password() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("password");
        for (content, password) in [
            ("secret\n", Some("secret")),
            ("secret\r\nmore", Some("secret")),
            (" with spaces ", Some(" with spaces ")),
            ("\nsecret", None),
            ("", None),
        ] {
            fs::write(&path, content).unwrap();
            let source = PasswordSource {
                password_file: Some(path.clone()),
                generate: false,
            };
            let read = Password::from(&source).ok().map(|password| password.text);
            assert_eq!(read.as_deref(), password, "{content:?}");
        }
    }

    #[test]
    fn generated_passwords_differ() {
        let source = PasswordSource {
            password_file: None,
            generate: true,
        };
        let [one, two] = [(), ()].map(|()| Password::from(&source).unwrap());
        assert!(one.generated);
        assert_ne!(one.text, two.text);
        assert!(one.text.bytes().all(|byte| ALPHABET.contains(&byte)));
    }
}
