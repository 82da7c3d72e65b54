//! What differs between two configurations, and what of it comes into force while the node runs.

use super::Config;
use std::collections::{BTreeMap, BTreeSet};

/// What comes into force at once: options, and groups of them. For everything else its description says that it needs
/// a restart.
const LIVE: [&str; 5] = [
    "c2s.certificate",
    "c2s.clients_max",
    "c2s.misplaced",
    "limits",
    "services",
];

/// An option that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// As `limits.grace_seconds`, or `c2s.certificate (example.com).key`.
    pub(crate) option: String,
    /// `None` where it was not set.
    pub(crate) before: Option<String>,
    /// `None` where it is no longer set.
    pub(crate) after: Option<String>,
    /// Whether it comes into force without a restart.
    pub(crate) live: bool,
}

/// All options that differ, by name.
pub(crate) fn between(before: &Config, after: &Config) -> Vec<Change> {
    let (before, after) = (options(before), options(after));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let change = |name: &String| {
        let (old, new) = (before.get(name), after.get(name));
        (old != new).then(|| Change {
            option: name.clone(),
            before: old.cloned(),
            after: new.cloned(),
            live: is_live(name),
        })
    };
    names.into_iter().filter_map(change).collect()
}

impl Config {
    /// This configuration with what of `newer` needs no restart.
    pub(crate) fn with_live_options_of(&self, newer: &Self) -> Self {
        let mut config = self.clone();
        config.c2s.certificate.clone_from(&newer.c2s.certificate);
        config.c2s.clients_max = newer.c2s.clients_max;
        config.c2s.misplaced = newer.c2s.misplaced;
        config.limits = newer.limits.clone();
        config.services = newer.services.clone();
        config
    }
}

fn is_live(option: &str) -> bool {
    let within = |live: &str| {
        let rest = option.strip_prefix(live);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ' ']))
    };
    LIVE.iter().any(|live| within(live))
}

/// Every option that is set, with its value as it stands in a file.
fn options(config: &Config) -> BTreeMap<String, String> {
    let value = toml::Value::try_from(config);
    let mut all = BTreeMap::new();
    flatten("", &value.expect("what was read can be written"), &mut all);
    all
}

fn flatten(name: &str, value: &toml::Value, all: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let dot = if name.is_empty() { "" } else { "." };
                flatten(&format!("{name}{dot}{key}"), value, all);
            }
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            for (at, item) in items.iter().enumerate() {
                let of = item.get("domain").and_then(toml::Value::as_str);
                let of = of.map_or_else(|| at.to_string(), str::to_owned);
                flatten(&format!("{name} ({of})"), item, all);
            }
        }
        value => {
            all.insert(name.to_owned(), value.to_string());
        }
    }
}

#[cfg(test)]
#[path = "changes_test.rs"]
mod changes_test;
