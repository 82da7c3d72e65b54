//! What kind of run it is: who is there, how long it lasts, and what goes wrong.

use crate::Rng;
use crate::faults::{self, Fault};
use muster_cluster::{
    AccountRow, Addresses, ControlCommand, NewNode, Proposal, Role, Setting, SoftwareVersion,
    TokenHash,
};
use muster_sasl::{ScramVerifier, Verifiers};
use muster_types::{
    BareJid, Boot, DomainPart, GroupId, Instant, Limits, NodeId, Origin, Timestamp,
};
use std::time::Duration;

/// The serving nodes and the witness.
pub(crate) const NODES: [(NodeId, Role); 3] = [
    (NodeId(1), Role::Serving),
    (NodeId(2), Role::Serving),
    (NodeId(3), Role::Witness),
];
/// Users with clients, and without until the end, of each serving node.
const ACTIVE: usize = 3;

/// A bug put in on purpose, to see that an invariant sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sabotage {
    /// An owner decides after its lease is over.
    IgnoreLease,
    /// A leader takes for committed what nobody else has.
    CommitAlone,
    /// An owner shows presence without asking for permission.
    ShowEverybody,
    /// An owner does not wait for clients that were cut off.
    NoGrace,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// Bounds and waiting times of the servers.
    pub limits: Limits,
    /// How long a recovered node is watched before its users go home.
    pub fallback_delay: Duration,
    /// A bug put in on purpose.
    pub sabotage: Option<Sabotage>,
    /// What goes wrong.
    pub faults: Vec<(Instant, Fault)>,
    /// When everything is repaired.
    pub heal: Instant,
    /// When clients only keep their connections any more.
    pub calm: Instant,
    /// When the users without clients log in.
    pub wake_sleepers: Instant,
    /// The end.
    pub end: Instant,
}

pub(crate) fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

impl Plan {
    /// A long run without faults of its own and with clients that only keep their connections,
    /// under the default settings.
    pub fn calm(seed: u64, faults: Vec<(Instant, Fault)>, end: Instant) -> Self {
        let limits = Limits::default();
        let (heal, wake_sleepers) = (end, end);
        Self {
            seed,
            limits,
            fallback_delay: muster_cluster::Settings::default().fallback_delay,
            sabotage: None,
            faults,
            heal,
            calm: Instant::ZERO,
            wake_sleepers,
            end,
        }
    }

    /// A run of 75 s with faults for 37 s.
    pub fn random(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5EED_FA17);
        let nodes = NODES.map(|(node, _)| node);
        Self {
            seed,
            limits: Limits {
                grace: Duration::from_secs(15),
                ..Limits::default()
            },
            fallback_delay: Duration::from_secs(10),
            sabotage: None,
            faults: faults::draw(&mut rng, &nodes, at(8), at(45)),
            heal: at(45),
            calm: at(55),
            wake_sleepers: at(62),
            end: at(75),
        }
    }
}

/// The active users and the sleepers of a serving node.
pub(crate) fn users(home: NodeId) -> (Vec<BareJid>, Vec<BareJid>) {
    let jid = |name: String| {
        BareJid::new(&format!("{name}@example.com")).expect("a short ASCII name is a valid address")
    };
    let active = (0..ACTIVE)
        .map(|at| jid(format!("user{}{at}", home.0)))
        .collect();
    (active, vec![jid(format!("sleeper{}", home.0))])
}

/// The beginning of the control log: a protected pair with its accounts.
pub(crate) fn beginning(fallback_delay: Duration) -> Vec<Proposal> {
    let token = |name: &str| TokenHash([name.as_bytes()[0]; 32]);
    let join = |name: &str, role| {
        let hash = token(name);
        [
            ControlCommand::TokenCreate {
                hash,
                role,
                expires: Timestamp(u64::MAX),
            },
            ControlCommand::NodeJoin {
                token: hash,
                node: new_node(name, role),
            },
        ]
    };
    let domain = DomainPart::new("example.com")
        .expect("a valid domain")
        .into_owned();
    let group = GroupId(1);
    let mut commands = vec![ControlCommand::Init {
        cluster: "simulated".to_owned(),
        node: new_node("a", Role::Serving),
    }];
    commands.extend(join("b", Role::Serving));
    commands.extend(join("w", Role::Witness));
    commands.extend([
        ControlCommand::GroupCreate {
            name: "east".to_owned(),
        },
        ControlCommand::GroupAddNode {
            group,
            node: NodeId(1),
        },
        ControlCommand::GroupAddNode {
            group,
            node: NodeId(2),
        },
        ControlCommand::GroupEnableHa { group },
        ControlCommand::DomainAdd { domain },
        ControlCommand::SettingsSet(vec![Setting::FallbackDelay(fallback_delay)]),
        ControlCommand::AccountsPut {
            rows: accounts(),
            update: false,
        },
    ]);
    let proposal = |(serial, command)| Proposal {
        origin: Origin {
            node: NodeId(0),
            boot: Boot(0),
            serial,
        },
        at: Timestamp(0),
        command,
    };
    (1..).zip(commands).map(proposal).collect()
}

fn new_node(name: &str, role: Role) -> NewNode {
    NewNode {
        name: name.to_owned(),
        role,
        addresses: Addresses::default(),
        version: SoftwareVersion { wire: 1, data: 1 },
        boot: Boot(0),
    }
}

fn accounts() -> Vec<AccountRow> {
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
    let serving = NODES.iter().filter(|(_, role)| *role == Role::Serving);
    serving
        .flat_map(|(home, _)| {
            let (active, sleepers) = users(*home);
            active.into_iter().chain(sleepers).map(|jid| (jid, *home))
        })
        .map(|(jid, home)| AccountRow {
            jid,
            verifiers: verifiers.clone(),
            home: Some(home),
            name: None,
        })
        .collect()
}
