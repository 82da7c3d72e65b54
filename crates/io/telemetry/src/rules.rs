//! The alert rules for Prometheus: one for each alarm, and those for what no node can say of itself. Together they are
//! `deploy/prometheus/muster.rules.yml`.

use std::fmt::Write as _;

use crate::alarms::{self, Alarm, Severity};
use crate::metrics;

/// What only somebody outside sees: that a node is silent, what happened over a time, and what nodes say together.
#[derive(Debug)]
pub struct Rule {
    /// Its name, without the prefix of [`Rule::alert`].
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is true while it stands, in PromQL; what comes out is one alert each.
    pub expr: &'static str,
    /// How long it has to be true, if not only once.
    pub lasting: Option<&'static str>,
    /// The headline, a template of Prometheus.
    pub summary: &'static str,
    /// What it means and what to do.
    pub description: &'static str,
}

impl Rule {
    /// The name of the alert in Prometheus, where other programs' alerts are too.
    pub fn alert(&self) -> String {
        alert(self.name)
    }
}

/// Takeovers and moves take less than a second or two, and the nodes are asked one after the other: what is said of a slot
/// has to be true at several scrapes.
const OUTSIDE: &[Rule] = &[
    Rule {
        name: "NodeDown",
        severity: Severity::Error,
        expr: r#"up{job=~"muster.*"} == 0"#,
        lasting: Some("1m"),
        summary: "{{ $labels.instance }} does not answer",
        description: "The node is down, cut off, or its http.listen cannot be reached from here; if it serves users, \
            its peer does now. What to do: `musterctl get nodes` on another node says how that one sees it; start it, or \
            mend the network.",
    },
    Rule {
        name: "NodesDown",
        severity: Severity::Critical,
        expr: r#"count by (job) (up{job=~"muster.*"} == 0) > 1"#,
        lasting: Some("30s"),
        summary: "{{ $value }} nodes of {{ $labels.job }} do not answer",
        description: "Users may be served by nobody, and nothing can be changed without a majority. What to do: start \
            the nodes, or mend the network between them and from here.",
    },
    Rule {
        name: "NothingScraped",
        severity: Severity::Critical,
        expr: r#"absent(up{job=~"muster.*"} == 1)"#,
        lasting: Some("2m"),
        summary: "no node of Muster answers Prometheus",
        description: "All nodes are down, or Prometheus asks none: then no other alert of Muster can stand either. What \
            to do: look at the targets of Prometheus, and at `musterctl status` on a node.",
    },
    // The witness hands nothing to clients: of it only the silences are seen.
    Rule {
        name: "NodeRestartsOften",
        severity: Severity::Warning,
        expr: r#"resets(muster_deliveries_total[1h]) > 2
or
changes(up{job=~"muster.*"}[1h]) > 4"#,
        lasting: None,
        summary: "{{ $labels.instance }} was restarted again and again within an hour",
        description: "Each time its users went to the peer. What to do: `journalctl -u musterd` on that host says why \
            it ended; drain the node (`musterctl node drain`) until it is mended.",
    },
    Rule {
        name: "Takeover",
        severity: Severity::Warning,
        expr: "increase(muster_takeovers_total[10m]) > 0",
        lasting: None,
        summary: "{{ $labels.instance }} has taken over users of another node",
        description: "A node failed within the last 10 minutes, and its users are served by its peer. What to do: find \
            out why with `musterctl get nodes` and the log of the node that failed; its users go home by themselves once \
            it is healthy.",
    },
    Rule {
        name: "SlotServedByNobody",
        severity: Severity::Critical,
        expr: "sum by (job, slot) (muster_slot_owned) == 0",
        lasting: Some("30s"),
        summary: "no node of {{ $labels.job }} serves {{ $labels.slot }}",
        description: "The users of this slot are not served. What to do: `musterctl status` says what is missing; start \
            the nodes of its group, or see `musterctl group recover`.",
    },
    Rule {
        name: "SlotServedTwice",
        severity: Severity::Critical,
        expr: "sum by (job, slot) (muster_slot_owned) > 1",
        lasting: Some("1m"),
        summary: "{{ $value }} nodes of {{ $labels.job }} say that they serve {{ $labels.slot }}",
        description: "This is not to happen: a node that has no lease serves nobody. What to do: keep the logs of all \
            nodes, restart the one that is to serve it no longer (`musterctl get nodes`), and report it.",
    },
    Rule {
        name: "LoginsFail",
        severity: Severity::Warning,
        expr: r#"sum by (job, instance) (rate(muster_logins_total{outcome=~"failure|throttled"}[5m])) > 1
and
sum by (job, instance) (rate(muster_logins_total{outcome=~"failure|throttled"}[5m]))
  > 0.5 * sum by (job, instance) (rate(muster_logins_total[5m]))"#,
        lasting: Some("5m"),
        summary: "most logins at {{ $labels.instance }} fail: {{ $value | humanize }} a second",
        description: "Somebody guesses passwords, or many clients have an old one. What to do: look at who connects; at \
            the level debug the log of the node has a line for each login that fails. Who fails too often is slowed down.",
    },
    Rule {
        name: "ClientsRefused",
        severity: Severity::Warning,
        expr: "increase(muster_clients_refused_total[5m]) > 0",
        lasting: None,
        summary: "{{ $labels.instance }} turns clients away",
        description: "It has as many as it takes, or more wait than it can let in within a minute. What to do: nothing \
            while a crowd comes back after a failure; if it lasts, raise c2s.clients_max and LimitNOFILE, or spread the \
            users over more nodes.",
    },
    Rule {
        name: "LinkDetour",
        severity: Severity::Warning,
        expr: "muster_link_detours > 0",
        lasting: Some("5m"),
        summary: "{{ $labels.instance }} reaches {{ $value }} nodes by way of a third one only",
        description: "Users are served, but the direct link is down, and the failure of one more node may cut these two \
            off. What to do: mend the network between the nodes; `musterctl doctor` says which ports are closed.",
    },
    Rule {
        name: "LinksUnstable",
        severity: Severity::Warning,
        expr: "increase(muster_link_reconnects_total[15m]) > 10",
        lasting: None,
        summary: "links of {{ $labels.instance }} break again and again",
        description: "Links were made anew more than 10 times within 15 minutes. What to do: look for loss on the \
            network between the nodes, for nodes that restart, and for a processor that is too busy.",
    },
    Rule {
        name: "CertificateEnds",
        severity: Severity::Error,
        expr: "muster_certificate_end_timestamp_seconds - time() < 7 * 86400",
        lasting: None,
        summary: "the certificate of {{ $labels.domain }} on {{ $labels.instance }} ends in {{ $value | humanizeDuration }}",
        description: "This is by the clock of Prometheus: it stands also when the clock of the node is wrong. What to \
            do: put a new certificate in its place; it is taken within seconds, without a restart.",
    },
    Rule {
        name: "CertificatesDiffer",
        severity: Severity::Warning,
        expr: "max by (job, domain) (muster_certificate_end_timestamp_seconds)
  - min by (job, domain) (muster_certificate_end_timestamp_seconds) > 0",
        lasting: Some("1h"),
        summary: "the nodes of {{ $labels.job }} have different certificates for {{ $labels.domain }}",
        description: "It was renewed on some of the nodes only. What to do: copy the new one to the others.",
    },
];

/// The rules for what no node can say of itself.
pub fn outside() -> &'static [Rule] {
    OUTSIDE
}

/// The name of the alert in Prometheus for an alarm or a rule.
pub fn alert(name: &str) -> String {
    format!("Muster{name}")
}

/// What is true while an alarm stands.
pub fn standing(alarm: &Alarm) -> String {
    format!("{}{{alarm=\"{}\"}} == 1", metrics::ALARM, alarm.name)
}

/// `deploy/prometheus/muster.rules.yml`.
pub fn yaml() -> String {
    let mut file = String::from(
        "# Alert rules for Prometheus. `cargo xtask fix` writes this file from crates/io/telemetry/src/alarms.rs and rules.rs;\n\
         # muster.rules.test.yml has the tests. The scrape job of a cluster is called muster, of more than one muster-NAME.\n\
         groups:\n",
    );
    let mut line = |line: std::fmt::Arguments<'_>| {
        writeln!(file, "{line}").expect("a String takes all that is written");
    };
    line(format_args!(
        "  # The alarms of docs/alarms.md, each told by the node that it stands on; the severity is that of the alarm.\n  \
         - name: muster-alarms\n    rules:"
    ));
    for alarm in alarms::table() {
        line(format_args!("      - alert: {}", alert(alarm.name)));
        line(format_args!("        expr: {}", standing(alarm)));
        line(format_args!("        annotations:"));
        let summary = format!("{{{{ $labels.instance }}}}: {}", alarm.name);
        line(format_args!("          summary: {}", quoted(&summary)));
        let words = format!("{}. What to do: {}.", capital(alarm.meaning), alarm.remedy);
        line(format_args!("          description: {}", quoted(&words)));
    }
    line(format_args!(
        "  # What no node can say of itself.\n  - name: muster-outside\n    rules:"
    ));
    for rule in OUTSIDE {
        line(format_args!("      - alert: {}", rule.alert()));
        let expr = rule.expr.replace('\n', "\n          ");
        line(format_args!("        expr: |-\n          {expr}"));
        if let Some(lasting) = rule.lasting {
            line(format_args!("        for: {lasting}"));
        }
        line(format_args!("        labels:"));
        line(format_args!("          severity: {}", rule.severity));
        line(format_args!("        annotations:"));
        line(format_args!("          summary: {}", quoted(rule.summary)));
        line(format_args!(
            "          description: {}",
            quoted(rule.description)
        ));
    }
    file
}

/// A scalar of YAML that may have anything in it but line ends.
fn quoted(words: &str) -> String {
    format!("'{}'", words.replace('\'', "''"))
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
#[path = "rules_test.rs"]
mod rules_test;
