//! Every alarm: its name, how bad it is, what it says and what to do, in one table. The names are those that
//! operators of such servers know, without their products' prefixes.

use std::fmt;
use std::fmt::Write as _;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Everything works, and will not for ever, or not under every circumstance.
    Warning,
    /// Something does not work; users may notice.
    Error,
    /// Users are not served, or the next failure is not survived.
    Critical,
}

impl Severity {
    /// All, from the mildest.
    pub const ALL: [Self; 3] = [Self::Warning, Self::Error, Self::Critical];

    /// The word in the API, in labels and in the log.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// One alarm.
#[derive(Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Its name, unique.
    pub name: &'static str,
    /// How bad it is, unless it says otherwise when it is raised.
    pub severity: Severity,
    /// When it stands, in one sentence without a full stop.
    pub meaning: &'static str,
    /// What to do about it, where nothing more exact is known.
    pub remedy: &'static str,
}

macro_rules! alarms {
    ($($(#[$doc:meta])* $id:ident = $name:literal, $severity:ident, $meaning:literal, $remedy:literal;)*) => {
        $($(#[$doc])* pub static $id: Alarm = Alarm {
            name: $name,
            severity: Severity::$severity,
            meaning: $meaning,
            remedy: $remedy,
        };)*

        static TABLE: &[&Alarm] = &[$(&$id),*];
    };
}

alarms! {
    /// A service the node cannot do without.
    CRITICAL_SERVICE_DOWN = "CriticalServiceDown", Critical,
        "a critical service of this node has not answered for its delay; the peer serves the node's users",
        "read the log of this node from when it began; restart the node, its users come back by themselves";
    /// Another service.
    SERVICE_DOWN = "ServiceDown", Error,
        "a service of this node that is not critical has not answered for its delay",
        "read the log of this node from when it began; restart the node when its users can spare it";
    /// Another node is not heard.
    PEER_NODE_FAILURE = "PeerNodeFailure", Error,
        "another node of the cluster has not been heard for 5 s",
        "start the node, or mend the network between the nodes: `musterctl doctor` on both says which ports are closed";
    /// Users are not at home.
    FAILOVER = "Failover", Warning,
        "users of a node are served by its peer",
        "find out why with `musterctl get nodes`; once the node is healthy its users go home by themselves, or with `musterctl group fallback NODE`";
    /// Nobody serves some users.
    FAILOVER_FAILED = "FailoverFailed", Critical,
        "users of a node are served by nobody, and no takeover is under way",
        "look at `musterctl status` for what is missing; `musterctl group recover GROUP` brings the users home once both nodes run";
    /// Nothing can be decided.
    QUORUM_LOST = "QuorumLost", Critical,
        "this node reaches no majority of the voters of the control log, so nothing can be changed and no user taken over",
        "start the other nodes, or mend the network between them";
    /// The next failure would be felt.
    NOT_PROTECTED = "NotProtected", Warning,
        "the users of a group would not be served if one of its nodes failed now, for more than 30 s",
        "`musterctl status` says for each group what is missing";
    /// On purpose.
    NODE_DRAINED = "NodeDrained", Warning,
        "a node was drained and takes no clients",
        "work on the node and start it again; then `musterctl group fallback NODE` brings its users home, or `musterctl node drain NODE --abort` ends the drain";
    /// The start waits.
    START_DELAYED = "StartDelayed", Warning,
        "this node has waited for its copies of the users' data for more than 5 s since it started, or has begun without them",
        "start the nodes that have the data, or wait: the node takes clients when it has caught up";
    /// Room for fewer clients.
    OPEN_FILES_LOW = "OpenFilesLow", Warning,
        "the limit of open files leaves room for fewer clients than `c2s.clients_max`",
        "raise LimitNOFILE in the unit, or lower `c2s.clients_max`";
    /// A crowd at the door.
    CLIENTS_WAIT = "ClientsWait", Warning,
        "clients have waited for more than 2 s to be let in",
        "nothing while a crowd comes back after a failure; if it lasts, spread the users over more nodes";
    /// Clocks differ in speed.
    CLOCK_OUT_OF_STEP = "ClockOutOfStep", Error,
        "the clock of a node runs faster or slower than those of the others",
        "compare it with another clock, and check time synchronisation (chronyc tracking) and the clock source of the host or of its hypervisor";
    /// Replicas stay behind.
    REPLICA_REFUSES = "ReplicaRefuses", Error,
        "a replica on this node cannot take what its leader sends, and stays behind",
        "the log names the cause; after it is mended, restart the node";
    /// The file is wrong.
    CONFIG_REFUSED = "ConfigRefused", Error,
        "the configuration file, or a file that it names, has changed and cannot be used; what was in force stays",
        "mend what is named and save the file, or try it with `musterd check FILE`; a node that starts with it would not come up";
    /// Half of the file waits.
    RESTART_PENDING = "RestartPending", Warning,
        "options have changed in the configuration file that come into force with a restart",
        "restart the node when it suits, or put the options back";
    /// A domain's certificate ends.
    CERTIFICATE_EXPIRES = "CertificateExpires", Warning,
        "a certificate of `c2s.certificate` ends in 30 days or less (an error from 7 days on, critical on the last day and after)",
        "put a new certificate in its place: it is taken within seconds, without a restart";
    /// The disk fills.
    STORE_SPACE = "StoreSpace", Warning,
        "the file system of the data folder is more than 90 % full (critical from 97 % on): a node whose disk is full ends",
        "give the file system more room, or move other files away";
}

/// Every alarm.
pub fn table() -> &'static [&'static Alarm] {
    TABLE
}

/// `docs/alarms.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Alarms\n\n\
         An alarm stands from when something begins to be wrong until it is over. It is in `musterctl status` (and \
         `-o json`), an event\nof kind `alarm` for `musterctl watch`, a line in the log when it begins and when it ends, \
         and `muster_alarm` is 1 for it. Each node\ntells of its own. `deploy/prometheus/muster.rules.yml` has an alert \
         for each. This page is written by `cargo xtask fix`.\n\n\
         | name | severity | stands while | what to do |\n\
         |---|---|---|---|\n",
    );
    for Alarm {
        name,
        severity,
        meaning,
        remedy,
    } in TABLE
    {
        writeln!(page, "| `{name}` | {severity} | {meaning} | {remedy} |")
            .expect("a String takes all that is written");
    }
    page
}

#[cfg(test)]
#[path = "alarms_test.rs"]
mod alarms_test;
