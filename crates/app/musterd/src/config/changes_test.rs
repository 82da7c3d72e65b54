use super::*;
use crate::config::{Certificate, Misplaced};

fn config() -> Config {
    toml::from_str(
        "name = \"a\"\ndata_dir = \"/data\"\n[[c2s.certificate]]\ndomain = \"example.com\"\nchain = \"/c.pem\"\nkey = \"/k.pem\"\n",
    )
    .unwrap()
}

/// Every option another.
fn other() -> Config {
    toml::from_str(
        "name = \"b\"\nrole = \"witness\"\ndata_dir = \"/other\"\n\
         [link]\nlisten = \"127.0.0.1:1\"\nadvertise = \"h:1\"\n\
         [c2s]\nlisten = [\"127.0.0.1:2\"]\nlisten_tls = [\"127.0.0.1:3\"]\nlisten_plaintext = [\"127.0.0.1:4\"]\n\
         advertise = [\"h:2\"]\nadvertise_tls = [\"h:3\"]\nmisplaced = \"see-other-host\"\nclients_max = 7\nrouter_shards = 3\n\
         [[c2s.certificate]]\ndomain = \"example.org\"\nchain = \"/c2.pem\"\nkey = \"/k2.pem\"\n\
         [admin]\nlisten = \"127.0.0.1:5\"\nadvertise = \"h:5\"\nsocket = \"/s\"\n\
         [http]\nlisten = \"127.0.0.1:6\"\n[api]\nlisten = [\"127.0.0.1:7\"]\n\
         [timing]\nprofile = \"wan\"\nbeat_ms = 1\nelection_min_ms = 10\nelection_max_ms = 20\n\
         [services.c2s]\ncritical = false\ndelay_seconds = 3\n[services.router]\ncritical = false\ndelay_seconds = 3\n\
         [services.presence]\ncritical = false\ndelay_seconds = 3\n[services.store]\ncritical = false\ndelay_seconds = 3\n\
         [services.raft]\ncritical = false\ndelay_seconds = 3\n[services.clock]\ncritical = false\ndelay_seconds = 3\n\
         [limits]\nstanza_bytes = 20000\nsessions_per_user = 3\ngrace_seconds = 5\n",
    )
    .unwrap()
}

#[test]
fn what_differs_is_named_with_its_values() {
    let before = config();
    assert_eq!(between(&before, &before), []);
    let mut after = before.clone();
    after.limits.grace_seconds = 5;
    after.admin.listen = Some("127.0.0.1:7401".parse().unwrap());
    after.c2s.misplaced = Misplaced::SeeOtherHost;
    after.c2s.certificate.push(Certificate {
        domain: "example.org".to_owned(),
        chain: "/o.pem".into(),
        key: "/o.key".into(),
    });
    let found = between(&before, &after);
    let found: Vec<_> = found
        .iter()
        .map(|c| {
            (
                c.option.as_str(),
                c.before.as_deref(),
                c.after.as_deref(),
                c.live,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("admin.listen", None, Some("\"127.0.0.1:7401\""), false),
            (
                "c2s.certificate (example.org).chain",
                None,
                Some("\"/o.pem\""),
                true
            ),
            (
                "c2s.certificate (example.org).domain",
                None,
                Some("\"example.org\""),
                true
            ),
            (
                "c2s.certificate (example.org).key",
                None,
                Some("\"/o.key\""),
                true
            ),
            (
                "c2s.misplaced",
                Some("\"serve\""),
                Some("\"see-other-host\""),
                true
            ),
            ("limits.grace_seconds", Some("60"), Some("5"), true),
        ]
    );
}

#[test]
fn what_needs_no_restart_comes_into_force_and_nothing_else_does() {
    let (before, after) = (config(), other());
    let (live, waiting): (Vec<_>, Vec<_>) = between(&before, &after)
        .into_iter()
        .partition(|change| change.live);
    assert!(!live.is_empty() && !waiting.is_empty());
    let in_force = before.with_live_options_of(&after);
    assert_eq!(between(&before, &in_force), live);
    assert_eq!(between(&in_force, &after), waiting);
}

/// The structs of the file, and where their options stand.
const PLACES: [(&str, &str); 9] = [
    ("Config", ""),
    ("Link", "link."),
    ("C2s", "c2s."),
    ("Certificate", "c2s.certificate (example.com)."),
    ("Admin", "admin."),
    ("Http", "http."),
    ("Api", "api."),
    ("TimingConfig", "timing."),
    ("LimitsConfig", "limits."),
];

#[test]
fn the_description_of_each_option_says_whether_it_needs_a_restart() {
    let (mut place, mut words, mut seen) = (None, String::new(), 0);
    for line in include_str!("../config.rs").lines() {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("pub(crate) struct ") {
            let name = rest.split([' ', '{']).next().unwrap_or_default();
            place = PLACES.iter().find(|(of, _)| *of == name).map(|(_, at)| at);
        } else if line == "}" {
            place = None;
        } else if let Some(doc) = line.strip_prefix("///") {
            words += doc;
            continue;
        } else if line.starts_with("#[") {
            continue;
        } else if let (Some(at), Some(field)) = (place, line.strip_prefix("pub(crate) "))
            && let Some((field, kind)) = field.split_once(": ")
            // A section says nothing for its options.
            && !PLACES.iter().any(|(of, _)| kind.trim_end_matches(',') == *of)
            && !["ServicesConfig,", "Vec<Certificate>,"].contains(&kind)
        {
            let option = format!("{at}{field}");
            let said = words.contains("Needs a restart.");
            assert_eq!(said, !is_live(&option), "{option}: {words}");
            seen += 1;
        }
        words.clear();
    }
    assert_eq!(seen, 28, "options in config.rs");
}
