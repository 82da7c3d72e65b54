//! What is proposed and not yet seen in a snapshot.

use muster_cluster::ControlCommand;
use muster_types::{Instant, NodeId, SlotId};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a proposal is about; one is under way for each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Topic {
    Boot,
    OwnState,
    Services,
    PeerState(NodeId),
    Owned(SlotId),
    MoveFailed(SlotId),
    Fallback(SlotId),
    Health(NodeId),
}

/// Makes each wanted proposal once, and again when it shows no effect for a while. Each round the
/// machine says anew what it wants; what it no longer wants is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Proposals {
    under_way: BTreeMap<Topic, UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    command: ControlCommand,
    again_at: Instant,
    wanted: bool,
}

impl Proposals {
    /// Begins a round.
    pub(crate) fn begin(&mut self) {
        self.under_way
            .values_mut()
            .for_each(|one| one.wanted = false);
    }

    /// Wants a command. Returns it when it is to be proposed now.
    pub(crate) fn want(
        &mut self,
        now: Instant,
        retry: Duration,
        topic: Topic,
        command: ControlCommand,
    ) -> Option<ControlCommand> {
        if let Some(one) = self.under_way.get_mut(&topic)
            && one.command == command
            && now < one.again_at
        {
            one.wanted = true;
            return None;
        }
        let one = UnderWay {
            command: command.clone(),
            again_at: now + retry,
            wanted: true,
        };
        self.under_way.insert(topic, one);
        Some(command)
    }

    /// Ends a round. Returns when the first proposal is due again.
    pub(crate) fn end(&mut self) -> Option<Instant> {
        self.under_way.retain(|_, one| one.wanted);
        self.under_way.values().map(|one| one.again_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_is_made_again_only_after_a_while_or_when_it_changes() {
        let retry = Duration::from_millis(1000);
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        let command = |id| ControlCommand::GroupRemove {
            group: muster_types::GroupId(id),
        };
        let mut proposals = Proposals::default();
        for (ms, id, proposed) in [
            (0, 1, true),
            (999, 1, false),
            (1000, 1, true),
            (1001, 2, true),
        ] {
            proposals.begin();
            let made = proposals.want(at(ms), retry, Topic::Boot, command(id));
            assert_eq!(made.is_some(), proposed, "{ms}");
            assert!(proposals.end().is_some());
        }
        proposals.begin();
        assert_eq!(proposals.end(), None);
        assert!(
            proposals
                .want(at(1002), retry, Topic::Boot, command(2))
                .is_some()
        );
    }
}
