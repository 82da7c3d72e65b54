//! A client's own presence on its way to the owner: one at a time, the newest next. However fast a
//! client sends, no more of it waits anywhere (presence is a register).

use muster_stanza::{PresenceType, Stanza};

/// What one session has said of itself and the owner has not dealt with.
#[derive(Debug, Default)]
pub(crate) struct Publishing {
    underway: bool,
    /// At most an unavailable and an available presence after it: that the client was gone in
    /// between makes the owner greet it anew.
    waiting: Vec<Stanza>,
}

impl Publishing {
    /// Takes a presence; gives it back when it may go out at once.
    pub(crate) fn admit(&mut self, presence: Stanza) -> Option<Stanza> {
        if !self.underway {
            self.underway = true;
            return Some(presence);
        }
        supersede(&mut self.waiting, presence);
        None
    }

    /// The owner has dealt with the last one: what goes out next.
    pub(crate) fn published(&mut self) -> Option<Stanza> {
        self.underway = !self.waiting.is_empty();
        self.underway.then(|| self.waiting.remove(0))
    }

    /// Everything that waits, because nothing will follow, or because a new owner is told the last
    /// state anyway.
    pub(crate) fn finish(&mut self) -> Vec<Stanza> {
        std::mem::take(self).waiting
    }
}

/// Adds a presence to what waits: at most an unavailable and an available presence after it.
pub(crate) fn supersede(waiting: &mut Vec<Stanza>, newer: Stanza) {
    if is_available(&newer) {
        waiting.retain(|older| !is_available(older));
    } else {
        waiting.clear();
    }
    waiting.push(newer);
}

pub(crate) fn is_available(presence: &Stanza) -> bool {
    presence.presence_type() == Some(PresenceType::Available)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_waits_and_an_absence_in_between_is_kept() {
        use PresenceType::{Available, Unavailable};
        // what is sent while one is underway, what goes out after it
        for (sent, out) in [
            (vec![], vec![]),
            (vec![(Available, "a"), (Available, "b")], vec!["b"]),
            (vec![(Available, "a"), (Unavailable, "b")], vec!["b"]),
            (
                vec![(Unavailable, "a"), (Available, "b"), (Available, "c")],
                vec!["a", "c"],
            ),
            (
                vec![(Unavailable, "a"), (Available, "b"), (Unavailable, "c")],
                vec!["c"],
            ),
        ] {
            let mut publishing = Publishing::default();
            assert!(publishing.admit(Stanza::presence(Available)).is_some());
            for (kind, id) in &sent {
                assert!(
                    publishing
                        .admit(Stanza::presence(*kind).with_id(*id))
                        .is_none()
                );
            }
            let ids: Vec<_> = std::iter::from_fn(|| publishing.published())
                .filter_map(|stanza| stanza.id)
                .collect();
            assert_eq!(ids, out, "{sent:?}");
            assert!(publishing.admit(Stanza::presence(Available)).is_some());
        }
    }
}
