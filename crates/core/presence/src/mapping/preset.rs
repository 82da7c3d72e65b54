//! The mappings that are shipped.

use super::Mapping;
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub(super) const SHIPPED: [(&str, &str); 7] = [
    ("lync", include_str!("lync.toml")),
    ("lync-interdomain", include_str!("lync-interdomain.toml")),
    ("lync-partitioned", include_str!("lync-partitioned.toml")),
    ("openscape", include_str!("openscape.toml")),
    ("pidf", include_str!("pidf.toml")),
    ("teams", include_str!("teams.toml")),
    ("xmpp", include_str!("xmpp.toml")),
];

/// Each of them parses: `every_preset_parses_and_says_what_it_is_for` holds that.
static PRESETS: LazyLock<BTreeMap<&str, Mapping>> = LazyLock::new(|| {
    SHIPPED
        .iter()
        .filter_map(|(name, text)| Some((*name, Mapping::parse(text).ok()?)))
        .collect()
});

impl Mapping {
    /// The shipped mapping of that name: `xmpp`, `pidf`, `lync`, `lync-partitioned`,
    /// `lync-interdomain`, `openscape` or `teams`.
    pub fn preset(name: &str) -> Option<&'static Self> {
        PRESETS.get(name)
    }

    /// The names of the shipped mappings, in order.
    pub fn preset_names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }
}
