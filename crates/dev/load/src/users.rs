//! Who logs in: a pattern of numbered users or a CSV file.

use muster_types::BareJid;

/// Users of one run, at most. Bounds a mistyped pattern.
const USERS_MAX: u64 = 1_000_000;

/// One account, as it is given.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// Its address; has a local part.
    pub(crate) jid: BareJid,
    /// Its password: not empty, ASCII.
    pub(crate) password: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ***", self.jid)
    }
}

/// Why there is no list of users.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UsersError {
    /// A line of the CSV is not a user.
    #[error("line {line}: {problem}")]
    Line { line: usize, problem: String },
    /// A range that is not `{first..last}`.
    #[error(
        "{pattern}: the range must look like {{1..1000}}, ascending, of at most {USERS_MAX} users"
    )]
    Range { pattern: String },
    /// Not an address.
    #[error("{0} is not the address of an account")]
    Jid(String),
    /// SASLprep is not done here.
    #[error("the password of {0} is empty or not ASCII")]
    Password(String),
    /// No user at all.
    #[error("no users")]
    Empty,
}

/// Expands a pattern like `user{1..1000}@example.com`; all have the same password. Leading zeros of
/// the first number set the width: `{001..100}`. Without a range it is one user.
///
/// # Errors
/// When the range, an address or the password is malformed.
pub(crate) fn from_pattern(pattern: &str, password: &str) -> Result<Vec<User>, UsersError> {
    let Some((before, rest)) = pattern.split_once('{') else {
        return Ok(vec![user(pattern, password)?]);
    };
    let malformed = || UsersError::Range {
        pattern: pattern.to_owned(),
    };
    let (range, after) = rest.split_once('}').ok_or_else(malformed)?;
    let (first, last) = range.split_once("..").ok_or_else(malformed)?;
    let width = if first.starts_with('0') {
        first.len()
    } else {
        0
    };
    let first: u64 = first.parse().map_err(|_| malformed())?;
    let last: u64 = last.parse().map_err(|_| malformed())?;
    if last < first || last - first >= USERS_MAX {
        return Err(malformed());
    }
    (first..=last)
        .map(|number| user(&format!("{before}{number:0width$}{after}"), password))
        .collect()
}

/// Reads CSV: columns `jid` and `password` by the names in a header line, or without a header these
/// two first. Fields may be quoted (RFC 4180, but not across lines); empty lines are skipped.
///
/// # Errors
/// Names the first line that is not a user.
pub(crate) fn from_csv(text: &str) -> Result<Vec<User>, UsersError> {
    let mut columns = (0, 1);
    let mut users = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let problem = |problem: String| UsersError::Line {
            line: at + 1,
            problem,
        };
        if line.trim().is_empty() {
            continue;
        }
        let fields = fields(line).ok_or_else(|| problem("unbalanced quotes".to_owned()))?;
        let column = |name: &str| fields.iter().position(|field| field.trim() == name);
        if at == 0 && column("jid").is_some() {
            let missing = || problem("the header has no column password".to_owned());
            columns = (
                column("jid").unwrap_or(0),
                column("password").ok_or_else(missing)?,
            );
            continue;
        }
        let (Some(jid), Some(password)) = (fields.get(columns.0), fields.get(columns.1)) else {
            return Err(problem("needs jid,password".to_owned()));
        };
        users.push(user(jid.trim(), password).map_err(|error| problem(error.to_string()))?);
    }
    if users.is_empty() {
        return Err(UsersError::Empty);
    }
    Ok(users)
}

fn user(jid: &str, password: &str) -> Result<User, UsersError> {
    let parsed = BareJid::new(jid).ok().filter(|jid| jid.node().is_some());
    let jid = parsed.ok_or_else(|| UsersError::Jid(jid.to_owned()))?;
    if password.is_empty() || !password.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(UsersError::Password(jid.to_string()));
    }
    Ok(User {
        jid,
        password: password.to_owned(),
    })
}

/// The fields of one line; `None` when a quoted field does not end.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        if after.is_empty() {
            return Some(fields);
        }
        rest = after.strip_prefix(',')?;
    }
}

/// Reads behind the opening quote; a doubled quote stands for one.
fn quoted_field(quoted: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('"')?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, rest)),
        }
    }
}
