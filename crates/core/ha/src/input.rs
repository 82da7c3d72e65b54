//! What the machine is told and what it asks for.

use crate::ServiceDown;
use muster_cluster::{Addresses, ClusterState, ControlCommand, HaReason, SoftwareVersion};
use muster_types::{Boot, Epoch, NodeId, SlotId};
use std::sync::Arc;
use std::time::Duration;

/// Who this node is in this run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Its id.
    pub node: NodeId,
    /// This process start; larger than every one before.
    pub boot: Boot,
    /// What it runs.
    pub version: SoftwareVersion,
    /// Where it can be reached.
    pub addresses: Addresses,
}

/// How patient the machine is with others. How long a silent peer is waited for is a setting of
/// the cluster instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timing {
    /// A node is not taken for silent sooner, whatever the settings say: beats may be late as long as no
    /// lease ends for that.
    pub least_silence: Duration,
    /// After which a proposal that shows no effect is made again.
    pub propose_retry: Duration,
    /// After which an `OpenSlot` or `CloseSlot` without effect is asked for again.
    pub open_retry: Duration,
    /// After which a transfer of leadership without answer is taken for failed.
    pub transfer_timeout: Duration,
    /// Between a failed transfer and the next.
    pub transfer_pause: Duration,
    /// How long a replica that was caught up is still taken for nearly so: under writes it seldom
    /// is at the very moment.
    pub caught_up_window: Duration,
    /// How long a slot may go unserved because the node that should serve it is alive but does not
    /// take it. Then another serves it.
    pub handover_patience: Duration,
    /// The same for a slot that this node itself has closed for a move: it can serve it again.
    pub move_patience: Duration,
    /// How long a slot is led unserved before it is handed back to the node that should serve it:
    /// enough for the control log to say that this node is stopping.
    pub handback_pause: Duration,
    /// How long a move by plan may wait for its target. Then it has failed.
    pub move_timeout: Duration,
    /// How long a slot may take to close. Whoever is stuck in it loses the leadership all the same.
    pub close_patience: Duration,
    /// How long a stopping node waits for its `(off)` to be recorded before it hands over.
    pub stop_patience: Duration,
    /// How long a stopping node tries to hand over.
    pub stop_timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            least_silence: Duration::from_millis(400),
            propose_retry: Duration::from_secs(1),
            open_retry: Duration::from_secs(1),
            transfer_timeout: Duration::from_secs(2),
            transfer_pause: Duration::from_millis(100),
            caught_up_window: Duration::from_secs(2),
            handover_patience: Duration::from_secs(5),
            move_patience: Duration::from_secs(2),
            handback_pause: Duration::from_millis(100),
            move_timeout: Duration::from_secs(30),
            close_patience: Duration::from_secs(2),
            stop_patience: Duration::from_millis(300),
            stop_timeout: Duration::from_secs(5),
        }
    }
}

/// What happens to the machine.
#[derive(Clone, Debug)]
pub enum Input {
    /// The control log has moved on. The first one after a start should be fed when the node has
    /// caught up with the control leader, or when it is clear that there is none.
    Cluster(Arc<ClusterState>),
    /// Any sign of life of another node on a link.
    Heard(NodeId),
    /// This node's part in a slot's Raft group has changed. Sent on every change.
    SlotRole(SlotRole),
    /// Whether this node leads the control log.
    ControlRole {
        /// Whether it leads.
        leading: bool,
    },
    /// What came of [`Output::Transfer`].
    Transferred {
        /// The slot.
        slot: SlotId,
        /// Whether the target leads now.
        ok: bool,
    },
    /// The services of this node that are down now, all of them. Sent on every change.
    Services(Vec<ServiceDown>),
    /// Whether users may go home by themselves at this time of day. They may until something else is said.
    FallbackWindow(bool),
    /// The process was asked to end: hand everything over.
    Stopping,
}

/// This node's part in one slot's Raft group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotRole {
    /// The slot.
    pub slot: SlotId,
    /// Whether this node leads the group.
    pub leading: bool,
    /// While leading: the other voters whose log equals ours.
    pub caught_up: Vec<NodeId>,
    /// The epoch under which this node serves the slot, while it does.
    pub opened: Option<Epoch>,
    /// The last `Open` applied here: who, and its epoch.
    pub last_open: Option<(NodeId, Epoch)>,
}

impl SlotRole {
    /// A follower that knows nothing yet.
    pub fn idle(slot: SlotId) -> Self {
        Self {
            slot,
            leading: false,
            caught_up: Vec::new(),
            opened: None,
            last_open: None,
        }
    }
}

/// What the machine asks for.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Commit an `Open` for this node in the slot's log, then serve.
    OpenSlot(SlotId),
    /// Stop serving the slot; its leadership will be transferred.
    CloseSlot(SlotId),
    /// Transfer the leadership of the slot's Raft group; whoever still serves the slot here has no
    /// lease from now on until the next `OpenSlot`. Answer with [`Input::Transferred`].
    Transfer {
        /// The slot.
        slot: SlotId,
        /// The new leader.
        to: NodeId,
    },
    /// Propose to the control log. Nothing has to be answered: the effect shows in a snapshot.
    Propose(ControlCommand),
    /// Something to tell people.
    Event(HaEvent),
    /// Everything that could be handed over is: the process may end.
    Stopped,
}

/// Why a slot was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// This node should own it.
    Plan,
    /// The node that should own it is silent.
    PeerDown,
    /// It was never heard since this node started.
    PeerDownDuringInitialization,
    /// It said that it stops.
    PeerReboot,
    /// It is alive but did not take the slot.
    PeerStuck,
}

impl Why {
    /// The reason that the nodes' states get.
    pub const fn reason(self) -> HaReason {
        match self {
            Self::Plan => HaReason::None,
            Self::PeerDown => HaReason::PeerDown,
            Self::PeerDownDuringInitialization => HaReason::PeerDownDuringInitialization,
            Self::PeerReboot => HaReason::PeerReboot,
            Self::PeerStuck => HaReason::CriticalServiceDown,
        }
    }
}

/// Something to tell people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HaEvent {
    /// This node serves a slot now.
    Opened {
        /// The slot.
        slot: SlotId,
        /// Its epoch.
        epoch: Epoch,
        /// Why.
        why: Why,
        /// Who had it before, as the slot's log says.
        before: Option<NodeId>,
        /// How long nobody served it: since the previous owner was last heard, or since this node
        /// leads.
        gap: Duration,
    },
    /// The slot goes to another node.
    HandingOver {
        /// The slot.
        slot: SlotId,
        /// The target.
        to: NodeId,
    },
    /// A transfer failed; it is tried again.
    TransferFailed {
        /// The slot.
        slot: SlotId,
        /// The target.
        to: NodeId,
    },
    /// A move by plan failed for good.
    MoveFailed {
        /// The slot.
        slot: SlotId,
        /// Who should have got it.
        to: NodeId,
    },
    /// A node fell silent.
    Silent(NodeId),
    /// A node was heard for the first time, or again.
    Heard(NodeId),
    /// A recovered node was healthy for the fallback delay: its users go home.
    FallbackDue(NodeId),
    /// A service of this node has been down for its delay.
    ServiceFailed {
        /// Its name.
        service: &'static str,
        /// Whether users can be served without it.
        critical: bool,
    },
    /// A service of which that was told is up again.
    ServiceRecovered {
        /// Its name.
        service: &'static str,
    },
    /// A slot does not close: its leadership is given away all the same.
    Stuck(SlotId),
}
