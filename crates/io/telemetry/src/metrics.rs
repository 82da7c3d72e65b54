//! Every metric: its name, kind, unit, labels and description, in one table. A label never holds a
//! JID, an address or anything else that clients choose.

use std::fmt;
use std::fmt::Write as _;

/// What a metric counts or measures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows, from 0 at the process's start.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often which values were seen.
    Histogram,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

/// What one of it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// A thing.
    Count,
    /// A second.
    Seconds,
    /// 1 for yes, 0 for no.
    YesNo,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::YesNo => "0 or 1",
        })
    }
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, in Prometheus' style.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// What one of it is.
    pub unit: Unit,
    /// Its labels and the values each may have.
    pub labels: &'static [(&'static str, &'static str)],
    /// What it says, in one sentence without a full stop.
    pub description: &'static str,
}

/// Client sessions bound on this node.
pub const SESSIONS: &str = "muster_sessions";
/// Client connections to this node, bound or not.
pub const CONNECTIONS: &str = "muster_connections";
/// Accepted connections that wait to be let in.
pub const CLIENTS_WAITING: &str = "muster_clients_waiting";
/// Clients a second that are let in while some wait.
pub const ADMISSION_RATE: &str = "muster_admission_rate";
/// How long work waited when it was last looked at while clients came.
pub const ADMISSION_LAG: &str = "muster_admission_lag_seconds";
/// Connections closed because there was no room for another client.
pub const CLIENTS_REFUSED: &str = "muster_clients_refused_total";
/// Logins that came to an end, by `outcome`.
pub const LOGINS: &str = "muster_logins_total";
/// Stanzas received from clients, by `kind`.
pub const STANZAS_IN: &str = "muster_stanzas_in_total";
/// Stanzas handed to clients' streams.
pub const DELIVERIES: &str = "muster_deliveries_total";
/// Whether this node serves a `slot`.
pub const SLOT_OWNED: &str = "muster_slot_owned";
/// Slots that this node took from a node that had them before.
pub const TAKEOVERS: &str = "muster_takeovers_total";
/// How long nobody served a slot before this node took it.
pub const TAKEOVER_SECONDS: &str = "muster_takeover_seconds";
/// Whether the control log has a leader and a quorum, as this node sees it.
pub const CONTROL_QUORUM: &str = "muster_control_quorum";
/// Whether a `service` of this node works.
pub const SERVICE_UP: &str = "muster_service_up";
/// Whether this node's start waits for its replicas.
pub const START_DELAYED: &str = "muster_start_delayed";
/// Whether an alarm stands.
pub const ALARM: &str = "muster_alarm";
/// When a certificate ends.
pub const CERTIFICATE_END: &str = "muster_certificate_end_timestamp_seconds";
/// Times the configuration was read anew, by `outcome`.
pub const CONFIG_RELOADS: &str = "muster_config_reloads_total";
/// Connections to other nodes that were made anew.
pub const LINK_RECONNECTS: &str = "muster_link_reconnects_total";

/// Other nodes that envelopes get to only by way of a third one.
pub const LINK_DETOURS: &str = "muster_link_detours";
/// Envelopes passed on between two other nodes.
pub const LINK_RELAYED: &str = "muster_link_relayed_total";

/// Bounds of the buckets of all histograms, in seconds: from a fast flush to a takeover under the
/// profile `compat`.
pub const BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0,
    30.0, 60.0, 120.0,
];

const TABLE: &[Metric] = &[
    gauge(
        SESSIONS,
        Unit::Count,
        &[],
        "client sessions bound on this node",
    ),
    gauge(
        CONNECTIONS,
        Unit::Count,
        &[],
        "client connections to this node, logged in or not",
    ),
    gauge(
        CLIENTS_WAITING,
        Unit::Count,
        &[],
        "client connections that wait until the node has time to let them in",
    ),
    gauge(
        ADMISSION_RATE,
        Unit::Count,
        &[],
        "clients that are let in each second while more come",
    ),
    gauge(
        ADMISSION_LAG,
        Unit::Seconds,
        &[],
        "how long the work of clients waited when the node last let some in",
    ),
    counter(
        CLIENTS_REFUSED,
        &[],
        "client connections closed at once because the node had as many as it takes, or too many came before",
    ),
    counter(
        LOGINS,
        &[("outcome", "success, failure, throttled, redirected")],
        "logins that came to an end",
    ),
    counter(
        STANZAS_IN,
        &[("kind", "message, presence, iq")],
        "stanzas received from clients",
    ),
    counter(DELIVERIES, &[], "stanzas handed to clients' streams"),
    gauge(
        SLOT_OWNED,
        Unit::YesNo,
        &[("slot", "a slot's id, such as s1")],
        "whether this node serves the slot",
    ),
    counter(
        TAKEOVERS,
        &[],
        "slots this node took from a node that had them before",
    ),
    histogram(
        TAKEOVER_SECONDS,
        "how long nobody served a slot before this node took it",
    ),
    gauge(
        CONTROL_QUORUM,
        Unit::YesNo,
        &[],
        "whether the control log has a leader and a quorum, as this node sees it",
    ),
    gauge(
        SERVICE_UP,
        Unit::YesNo,
        &[("service", "c2s, router, presence, store, raft, clock")],
        "whether a service of this node answers when it is asked for a sign of work",
    ),
    gauge(
        START_DELAYED,
        Unit::YesNo,
        &[],
        "whether this node has waited for its copies of the users' data for more than 5 s since it started, \
         or has begun without them",
    ),
    gauge(
        ALARM,
        Unit::YesNo,
        &[
            ("alarm", "a name of docs/alarms.md"),
            ("severity", "warning, error, critical"),
        ],
        "whether an alarm stands on this node",
    ),
    gauge(
        CERTIFICATE_END,
        Unit::Seconds,
        &[("domain", "the domain of a `c2s.certificate`")],
        "when the certificate in force ends, in seconds since 1970",
    ),
    counter(
        CONFIG_RELOADS,
        &[("outcome", "applied, refused")],
        "times the configuration was read anew because it had changed or somebody asked",
    ),
    counter(
        LINK_RECONNECTS,
        &[],
        "connections to other nodes that were made anew",
    ),
    gauge(
        LINK_DETOURS,
        Unit::Count,
        &[],
        "other nodes that envelopes get to only by way of a third one, since the direct link is down",
    ),
    counter(
        LINK_RELAYED,
        &[],
        "envelopes passed on between two other nodes whose direct link is down",
    ),
];

type Labels = &'static [(&'static str, &'static str)];

const fn counter(name: &'static str, labels: Labels, description: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        unit: Unit::Count,
        labels,
        description,
    }
}

const fn gauge(
    name: &'static str,
    unit: Unit,
    labels: Labels,
    description: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        unit,
        labels,
        description,
    }
}

const fn histogram(name: &'static str, description: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Histogram,
        unit: Unit::Seconds,
        labels: &[],
        description,
    }
}

/// Every metric of a node.
pub fn table() -> &'static [Metric] {
    TABLE
}

/// `docs/metrics.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         A node shows them at `/metrics` of `http.listen`, in Prometheus' text format. Counters begin \
         at 0 with\nthe process; one with labels appears with its first count. This page is written by \
         `cargo xtask metrics`.\n\n\
         | name | kind | unit | labels | meaning |\n\
         |---|---|---|---|---|\n",
    );
    for Metric {
        name,
        kind,
        unit,
        labels,
        description,
    } in TABLE
    {
        let labels: Vec<_> = labels
            .iter()
            .map(|(label, values)| format!("`{label}`: {values}"))
            .collect();
        let labels = labels.join("; ");
        writeln!(
            page,
            "| `{name}` | {kind} | {unit} | {labels} | {description} |"
        )
        .expect("a String takes all that is written");
    }
    page
}

#[cfg(test)]
#[path = "metrics_test.rs"]
mod metrics_test;
