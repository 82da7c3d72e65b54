//! Becoming available, until the others have been seen.

use std::collections::HashSet;
use std::time::Duration;

use muster_stanza::Element;
use tokio::time::timeout;

use crate::client::{Session, SessionError};

/// Asks for the roster, sends initial presence and waits until so many other users were seen available (0: until the
/// server has taken the presence).
///
/// # Errors
/// When the stream ends, or not all are seen within `patience`.
pub(crate) async fn arrive(
    session: &mut Session,
    others: usize,
    patience: Duration,
) -> Result<(), SessionError> {
    let arrival = async {
        session.roster().await?;
        session.queue(b"<presence/>")?;
        if others == 0 {
            // Stanzas of one stream are processed in order (RFC 6120 §10.1), so the answer comes after the presence.
            return session.roster().await.map(drop);
        }
        let mut seen = HashSet::with_capacity(others);
        while seen.len() < others {
            let element = session.next().await?;
            if let Some(other) = available(&element).filter(|other| other != bare(session.jid())) {
                seen.insert(other);
            }
        }
        Ok(())
    };
    timeout(patience, arrival)
        .await
        .map_err(|_| SessionError::Timeout(patience))?
}

/// The bare JID that became available by this element.
fn available(element: &Element) -> Option<String> {
    if element.name() != "presence" || element.attr("type").is_some() {
        return None;
    }
    element.attr("from").map(|from| bare(&from).to_owned())
}

/// The bare JID of a JID.
pub(crate) fn bare(jid: &str) -> &str {
    jid.split_once('/').map_or(jid, |(bare, _)| bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_available_presence_counts() {
        for (xml, who) in [
            ("<presence from='a@b/c'/>", Some("a@b")),
            (
                "<presence from='a@b/c/d'><show>away</show></presence>",
                Some("a@b"),
            ),
            ("<presence from='a@b/c' type='unavailable'/>", None),
            ("<presence from='a@b' type='subscribe'/>", None),
            ("<presence/>", None),
            ("<message from='a@b/c'/>", None),
        ] {
            let element = Element::parse(xml.as_bytes()).unwrap();
            assert_eq!(available(&element).as_deref(), who, "{xml}");
        }
    }
}
