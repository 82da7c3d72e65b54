//! A control log that applies at once, and a pair with its witness to begin with.

use muster_cluster::{
    Addresses, ClusterState, ControlCommand, ControlEvent, ControlOutcome, NewNode, Proposal, Role,
    SoftwareVersion, TokenHash,
};
use muster_types::{Boot, Instant, LogIndex, NodeId, Origin, Replicated, SlotId, Timestamp};

pub(crate) const A: NodeId = NodeId(1);
pub(crate) const B: NodeId = NodeId(2);
pub(crate) const W: NodeId = NodeId(3);
pub(crate) const SLOT_A: SlotId = SlotId(1);
pub(crate) const SLOT_B: SlotId = SlotId(2);

/// A control log that applies at once.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) state: ClusterState,
    index: u64,
    pub(crate) events: Vec<ControlEvent>,
}

impl Log {
    /// Applies a command, which may be refused.
    pub(crate) fn apply(&mut self, at: Instant, command: ControlCommand) -> ControlOutcome {
        self.index += 1;
        let origin = Origin {
            node: NodeId(0),
            boot: Boot(0),
            serial: self.index,
        };
        let at = Timestamp(at.as_nanos() / 1_000_000);
        let proposal = Proposal {
            origin,
            at,
            command,
        };
        let mut events = self
            .state
            .apply(LogIndex(self.index), proposal, &mut Vec::new());
        let ControlEvent::Outcome { outcome, .. } = events.remove(0) else {
            panic!("the first event is the outcome")
        };
        self.events.extend(events);
        outcome
    }

    /// Applies commands that must not be refused.
    pub(crate) fn all(&mut self, commands: impl IntoIterator<Item = ControlCommand>) {
        for command in commands {
            let outcome = self.apply(Instant::ZERO, command.clone());
            assert!(
                !matches!(outcome, ControlOutcome::Refused(_)),
                "{command:?}: {outcome:?}"
            );
        }
    }
}

pub(crate) fn new_node(name: &str, role: Role) -> NewNode {
    NewNode {
        name: name.to_owned(),
        role,
        addresses: Addresses::default(),
        version: SoftwareVersion { wire: 1, data: 1 },
        boot: Boot(0),
    }
}

/// Nodes a, b in one group and witness w, HA on or off.
pub(crate) fn pair_and_witness(ha: bool) -> Log {
    let mut log = Log::default();
    let cluster = "c".to_owned();
    log.all([ControlCommand::Init {
        cluster,
        node: new_node("a", Role::Serving),
    }]);
    join(&mut log, "b", Role::Serving);
    join(&mut log, "w", Role::Witness);
    let group = muster_types::GroupId(1);
    log.all([
        ControlCommand::GroupCreate {
            name: "east".to_owned(),
        },
        ControlCommand::GroupAddNode { group, node: A },
        ControlCommand::GroupAddNode { group, node: B },
    ]);
    if ha {
        log.all([ControlCommand::GroupEnableHa { group }]);
    }
    log
}

/// Lets a node in.
pub(crate) fn join(log: &mut Log, name: &str, role: Role) {
    let tokens = u8::try_from(log.state.tokens().count()).unwrap();
    let token = TokenHash([tokens; 32]);
    log.all([
        ControlCommand::TokenCreate {
            hash: token,
            role,
            expires: Timestamp(u64::MAX),
        },
        ControlCommand::NodeJoin {
            token,
            node: new_node(name, role),
        },
    ]);
}
