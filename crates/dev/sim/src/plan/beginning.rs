//! The beginning of the logs: a cluster that is set up, with its accounts.

use super::{Place, Plan};
use crate::raft::{Content, Members};
use muster_cluster::{
    AccountRow, Addresses, ClusterState, ControlCommand, NewNode, Proposal, Role, Setting,
    SoftwareVersion, TokenHash,
};
use muster_ha::{control_members, slot_members};
use muster_sasl::{ScramVerifier, Verifiers};
use muster_slot::SlotCommand;
use muster_types::{
    Boot, DomainPart, GroupId, LogIndex, NodeId, Origin, Replicated, SlotId, Timestamp,
};
use std::sync::Arc;

/// What every node has at first.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    /// The control log.
    pub(crate) control: Vec<Content<Proposal>>,
    /// The state it leads to.
    pub(crate) cluster: ClusterState,
}

impl Beginning {
    /// Sets the cluster of a plan up.
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut cluster = ClusterState::default();
        let mut control = Vec::new();
        let mut serial = 0;
        let mut submit = |cluster: &mut ClusterState, control: &mut Vec<_>, command| {
            serial += 1;
            let proposal = Proposal {
                origin: Origin {
                    node: NodeId(0),
                    boot: Boot(0),
                    serial,
                },
                at: Timestamp(0),
                command,
            };
            cluster.apply(LogIndex(serial), proposal.clone(), &mut Vec::new());
            control.push(Content::Command(Arc::new(proposal)));
        };
        for command in commands(plan) {
            submit(&mut cluster, &mut control, command);
        }
        for slot in cluster.slots().map(|slot| slot.id).collect::<Vec<_>>() {
            let voters = muster_ha::desired_voters(&cluster, slot);
            let command = ControlCommand::SlotVotersChanged { slot, voters };
            submit(&mut cluster, &mut control, command);
        }
        control.push(Content::Members(Members::of(control_members(&cluster))));
        Self { control, cluster }
    }

    /// The commands of the control log.
    pub(crate) fn commands(&self) -> impl Iterator<Item = (LogIndex, Arc<Proposal>)> + '_ {
        (1..)
            .zip(&self.control)
            .filter_map(|(at, content)| match content {
                Content::Command(proposal) => Some((LogIndex(at), Arc::clone(proposal))),
                Content::Blank | Content::Members(_) => None,
            })
    }

    /// The beginning of a slot's log.
    pub(crate) fn slot(&self, slot: SlotId) -> Vec<Content<SlotCommand>> {
        vec![Content::Members(Members::of(slot_members(
            &self.cluster,
            slot,
        )))]
    }
}

/// A token's hash, and the two commands by which a node enters.
pub(crate) fn join(name: &str, role: Role) -> [ControlCommand; 2] {
    let mut hash = [0; 32];
    hash.iter_mut()
        .zip(name.bytes())
        .for_each(|(to, from)| *to = from);
    let token = TokenHash(hash);
    [
        ControlCommand::TokenCreate {
            hash: token,
            role,
            expires: Timestamp(u64::MAX),
        },
        ControlCommand::NodeJoin {
            token,
            node: new_node(name, role),
        },
    ]
}

fn new_node(name: &str, role: Role) -> NewNode {
    NewNode {
        name: name.to_owned(),
        role,
        addresses: Addresses::default(),
        version: version(1),
        boot: Boot(0),
    }
}

/// A version of the software.
pub(crate) const fn version(number: u32) -> SoftwareVersion {
    SoftwareVersion {
        wire: number,
        data: number,
    }
}

/// The node in a place at first.
pub(crate) fn first_node(place: Place) -> NodeId {
    NodeId(u16::try_from(place.0 + 1).unwrap_or(u16::MAX))
}

fn commands(plan: &Plan) -> Vec<ControlCommand> {
    let topology = &plan.topology;
    let domain = DomainPart::new("example.com")
        .expect("a valid domain")
        .into_owned();
    let mut commands = Vec::new();
    for (place, role) in topology.places() {
        let name = format!("n{}", place.0);
        if place == Place(0) {
            commands.push(ControlCommand::Init {
                cluster: "simulated".to_owned(),
                node: new_node(&name, role),
            });
        } else {
            commands.extend(join(&name, role));
        }
    }
    for (group, places) in (1..).map(GroupId).zip(topology.group_places()) {
        commands.push(ControlCommand::GroupCreate {
            name: format!("g{}", group.0),
        });
        let add = |place: &Place| ControlCommand::GroupAddNode {
            group,
            node: first_node(*place),
        };
        commands.extend(places.iter().map(add));
    }
    // Without a witness another group has the third voter.
    for (group, places) in (1..).map(GroupId).zip(topology.group_places()) {
        if places.len() == 2 {
            commands.push(ControlCommand::GroupEnableHa { group });
        }
    }
    commands.push(ControlCommand::DomainAdd { domain });
    commands.push(ControlCommand::SettingsSet(vec![
        Setting::FallbackDelay(plan.fallback_delay),
        Setting::PeerTimeout(plan.peer_timeout),
    ]));
    let rows = accounts(plan);
    let rows = rows.chunks(muster_cluster::ACCOUNT_ROWS_MAX);
    commands.extend(rows.map(|rows| ControlCommand::AccountsPut {
        rows: rows.to_vec(),
        update: false,
    }));
    commands
}

fn accounts(plan: &Plan) -> Vec<AccountRow> {
    let nobody = ScramVerifier {
        iterations: 4096,
        salt: Vec::new(),
        stored_key: Vec::new(),
        server_key: Vec::new(),
    };
    let verifiers = Verifiers {
        sha1: nobody.clone(),
        sha256: nobody,
    };
    let serving = (0..plan.topology.serving()).map(Place);
    serving
        .flat_map(|place| {
            let (active, sleepers) = plan.topology.users(place);
            let all = active.into_iter().chain(sleepers);
            all.map(move |jid| (jid, first_node(place)))
        })
        .map(|(jid, home)| AccountRow {
            jid,
            verifiers: verifiers.clone(),
            home: Some(home),
            name: None,
        })
        .collect()
}
