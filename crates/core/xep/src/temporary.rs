//! Temporary subscriptions: the ad-hoc command (XEP-0050) by which a client sees another user for a while without a
//! roster entry. Its form, and how it is read; who is let in is decided elsewhere.

use crate::command;
use muster_stanza::{ElementRef, Writer};
use muster_types::{Bare as _, BareJid, Jid};
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The command.
pub const NODE: &str = "urn:muster:presence:watch";
/// Its name for people.
pub const NAME: &str = "See somebody for a while";
/// The field with whom to see, named as in XEP-0133.
const ACCOUNT: &str = "accountjid";
/// The field with the lifetime in seconds, named as in SIP (RFC 6665 §4.1.2.1).
const EXPIRES: &str = "expires";
/// How long it holds if nothing is said, in seconds.
const DEFAULT: u64 = 3_600;
/// How long it may hold, in seconds.
const LIFETIME: RangeInclusive<u64> = 60..=86_400;

/// What a client asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Whom to see.
    pub contact: BareJid,
    /// For how long from now on; `None` ends it.
    pub lifetime: Option<Duration>,
}

/// The form, which says what is in force: whom, and for how long.
pub fn offer<'a>(in_force: impl Iterator<Item = (&'a BareJid, Duration)>) -> Vec<u8> {
    command::offer(NODE, NAME, |out| {
        let mut list = String::new();
        for (contact, left) in in_force {
            // Writing to a string does not fail.
            let _ = writeln!(list, "{contact}: {} s", left.as_secs());
        }
        if !list.is_empty() {
            out.leaf("instructions", &format!("In force:\n{}", list.trim_end()));
        }
        field(out, ACCOUNT, "jid-single", "Whom", "");
        let label = format!(
            "For how many seconds ({} to {}; 0 ends it)",
            LIFETIME.start(),
            LIFETIME.end()
        );
        field(out, EXPIRES, "text-single", &label, &DEFAULT.to_string());
    })
}

fn field(out: &mut Writer, name: &str, kind: &str, label: &str, value: &str) {
    command::field(out, name, kind, label, value);
    out.end();
}

/// Reads a form.
///
/// # Errors
/// What is wrong with it, in words for people.
pub fn read(form: &ElementRef<'_>) -> Result<Request, String> {
    let account = command::value(form, ACCOUNT).unwrap_or_default();
    let contact = Jid::new(account.trim()).ok().map(|jid| jid.bare());
    let contact = contact.filter(|contact| contact.node().is_some());
    let contact = contact.ok_or_else(|| format!("The field {ACCOUNT:?} is a user's address."))?;
    let expires = command::value(form, EXPIRES).unwrap_or_default();
    let seconds = match expires.trim() {
        "" => Some(DEFAULT),
        text => text.parse().ok(),
    };
    let lifetime = match seconds {
        Some(0) => None,
        Some(seconds) if LIFETIME.contains(&seconds) => Some(Duration::from_secs(seconds)),
        Some(_) | None => {
            return Err(format!(
                "The field {EXPIRES:?} is a number of seconds from {} to {}, or 0 to end it.",
                LIFETIME.start(),
                LIFETIME.end()
            ));
        }
    };
    Ok(Request { contact, lifetime })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::iq;

    fn form(account: &str, expires: Option<&str>) -> Result<Request, String> {
        let field =
            |name: &str, value: &str| format!("<field var='{name}'><value>{value}</value></field>");
        let expires = expires.map(|expires| field(EXPIRES, expires));
        let account = field(ACCOUNT, account);
        let iq = iq(
            "set",
            &format!(
                "<x xmlns='jabber:x:data' type='submit'>{account}{}</x>",
                expires.unwrap_or_default()
            ),
        );
        read(&iq.payload().unwrap())
    }

    #[test]
    fn a_form_names_a_user_and_a_lifetime_within_bounds() {
        for (account, expires, lifetime) in [
            ("u@a.b", None, Ok(Some(3_600))),
            ("u@a.b", Some(""), Ok(Some(3_600))),
            ("u@a.b/client", Some("60"), Ok(Some(60))),
            ("u@a.b", Some(" 86400 "), Ok(Some(86_400))),
            ("u@a.b", Some("0"), Ok(None)),
            ("u@a.b", Some("59"), Err(EXPIRES)),
            ("u@a.b", Some("86401"), Err(EXPIRES)),
            ("u@a.b", Some("-1"), Err(EXPIRES)),
            ("u@a.b", Some("99999999999999999999"), Err(EXPIRES)),
            ("u@a.b", Some("soon"), Err(EXPIRES)),
            ("", Some("60"), Err(ACCOUNT)),
            ("a.b", Some("60"), Err(ACCOUNT)),
            ("u@", Some("60"), Err(ACCOUNT)),
        ] {
            let got = form(account, expires);
            match lifetime {
                Ok(seconds) => {
                    let request = got.unwrap();
                    assert_eq!(request.contact.as_str(), "u@a.b");
                    assert_eq!(request.lifetime, seconds.map(Duration::from_secs));
                }
                Err(field) => {
                    let why = got.unwrap_err();
                    assert!(why.contains(field), "{account} {expires:?}: {why}");
                }
            }
        }
    }

    #[test]
    fn the_form_says_what_is_in_force() {
        let nothing = String::from_utf8(offer(std::iter::empty())).unwrap();
        assert!(!nothing.contains("In force"), "{nothing}");
        assert!(nothing.contains("<value>3600</value>"), "{nothing}");
        let bob = BareJid::new("bob@a.b").unwrap();
        let one = [(&bob, Duration::from_millis(59_900))];
        let one = String::from_utf8(offer(one.into_iter())).unwrap();
        assert!(one.contains("bob@a.b: 59 s"), "{one}");
    }
}
