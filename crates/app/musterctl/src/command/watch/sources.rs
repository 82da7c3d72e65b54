//! Which of the nodes that answer is listened to for what.

use muster_admin::proto::{Event, HelloResponse, StatusResponse};

/// What a node says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::command) struct Source {
    /// Its id; 0 while it is in no cluster.
    node: u32,
    quorum: bool,
}

impl From<&HelloResponse> for Source {
    fn from(hello: &HelloResponse) -> Self {
        Self {
            node: hello.node,
            quorum: hello.control_quorum,
        }
    }
}

impl From<&StatusResponse> for Source {
    fn from(status: &StatusResponse) -> Self {
        Self {
            node: status.answered_by,
            quorum: status.control_quorum,
        }
    }
}

/// One address.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Standing {
    /// Nothing is known of it yet.
    Unknown,
    Here(Source),
    /// It does not answer, and why.
    Gone(String),
}

/// All addresses, in the order they were named.
#[derive(Debug)]
pub(in crate::command) struct Sources {
    all: Vec<Standing>,
    /// Who is listened to for what the log decides.
    main: Option<usize>,
}

impl Sources {
    pub(in crate::command) fn new(addresses: usize) -> Self {
        Self {
            all: vec![Standing::Unknown; addresses],
            main: None,
        }
    }

    /// The address answers. Returns whether it had not.
    pub(in crate::command) fn here(&mut self, at: usize, source: Source) -> bool {
        let before = std::mem::replace(&mut self.all[at], Standing::Here(source));
        matches!(before, Standing::Gone(_))
    }

    /// The address does not answer. Returns whether it had.
    pub(in crate::command) fn gone(&mut self, at: usize, cause: String) -> bool {
        let before = std::mem::replace(&mut self.all[at], Standing::Gone(cause));
        matches!(before, Standing::Here(_))
    }

    /// Whether something is known of every address.
    pub(in crate::command) fn is_complete(&self) -> bool {
        !self.all.contains(&Standing::Unknown)
    }

    /// Whether nobody answers.
    pub(in crate::command) fn is_empty(&self) -> bool {
        self.answering().next().is_none()
    }

    /// The addresses that do not answer, and why.
    pub(in crate::command) fn causes(&self) -> Vec<(usize, String)> {
        let cause = |(at, standing): (usize, &Standing)| match standing {
            Standing::Gone(cause) => Some((at, cause.clone())),
            Standing::Unknown | Standing::Here(_) => None,
        };
        self.all.iter().enumerate().filter_map(cause).collect()
    }

    /// Who is listened to for what the log decides.
    pub(in crate::command) fn main(&self) -> Option<usize> {
        self.main
    }

    /// Chooses who is listened to for what the log decides: who is, while it has a quorum, then the
    /// first that has one, then who is, then the first that answers. While nobody answers it stays
    /// who it was.
    pub(in crate::command) fn choose(&mut self) {
        let now = self.main.filter(|main| self.source(*main).is_some());
        let has_quorum = |at: &usize| self.source(*at).is_some_and(|source| source.quorum);
        let with_quorum = || self.answering().map(|(at, _)| at).find(has_quorum);
        let first = || self.answering().map(|(at, _)| at).next();
        let chosen = now.filter(has_quorum).or_else(with_quorum);
        self.main = chosen.or(now).or_else(first).or(self.main);
    }

    /// Whether an event from this address is to be shown: what the log decides from one node, what
    /// only a node itself knows once for each node, though it may have several addresses.
    pub(in crate::command) fn tells(&self, at: usize, event: &Event) -> bool {
        // An older release marks nothing; sessions were always the node's own.
        if !event.local && event.kind != "session" {
            return self.main == Some(at);
        }
        let Some(source) = self.source(at) else {
            return false;
        };
        let same = self
            .answering()
            .find(|(_, other)| other.node == source.node);
        same.is_some_and(|(first, _)| first == at)
    }

    fn source(&self, at: usize) -> Option<Source> {
        match self.all.get(at)? {
            Standing::Here(source) => Some(*source),
            Standing::Unknown | Standing::Gone(_) => None,
        }
    }

    fn answering(&self) -> impl Iterator<Item = (usize, Source)> {
        (0..self.all.len()).filter_map(|at| Some((at, self.source(at)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(node: u32, quorum: bool) -> Source {
        Source { node, quorum }
    }

    fn event(local: bool) -> Event {
        Event {
            kind: "slot".to_owned(),
            local,
            ..Event::default()
        }
    }

    fn chosen(sources: &mut Sources) -> Option<usize> {
        sources.choose();
        sources.main()
    }

    fn gone() -> String {
        "gone".to_owned()
    }

    #[test]
    fn what_the_log_decides_is_heard_from_one_node_and_the_rest_from_all() {
        let mut sources = Sources::new(4);
        sources.here(0, source(1, false));
        sources.here(1, source(2, true));
        sources.here(2, source(2, true));
        sources.gone(3, gone());
        assert!(sources.is_complete());
        assert_eq!(chosen(&mut sources), Some(1));
        let told = |local| [0, 1, 2, 3].map(|at| sources.tells(at, &event(local)));
        assert_eq!(told(false), [false, true, false, false]);
        assert_eq!(told(true), [true, true, false, false], "each node once");
    }

    #[test]
    fn another_node_follows_the_one_that_is_gone_and_keeps_the_part() {
        let mut sources = Sources::new(2);
        sources.here(0, source(1, true));
        sources.here(1, source(2, true));
        assert_eq!(chosen(&mut sources), Some(0));
        assert!(sources.gone(0, gone()));
        assert_eq!(chosen(&mut sources), Some(1));
        assert!(sources.here(0, source(1, true)), "it is back");
        assert_eq!(chosen(&mut sources), Some(1));
        assert!(!sources.here(0, source(1, true)));
    }

    #[test]
    fn a_node_with_a_quorum_goes_before_one_without() {
        let mut sources = Sources::new(2);
        sources.here(0, source(1, false));
        sources.gone(1, gone());
        assert_eq!(chosen(&mut sources), Some(0), "better than nobody");
        sources.here(1, source(2, true));
        assert_eq!(chosen(&mut sources), Some(1));
        sources.here(1, source(2, false));
        assert_eq!(chosen(&mut sources), Some(1), "nobody is better");
        sources.gone(1, gone());
        assert_eq!(chosen(&mut sources), Some(0));
        sources.gone(0, gone());
        assert!(sources.is_empty());
        assert!(!sources.tells(0, &event(true)), "nobody is there");
    }

    #[test]
    fn the_sessions_of_an_older_release_are_shown_too() {
        let mut sources = Sources::new(2);
        sources.here(0, source(1, true));
        sources.here(1, source(2, true));
        sources.choose();
        let session = Event {
            kind: "session".to_owned(),
            ..Event::default()
        };
        assert!(sources.tells(1, &session));
    }
}
