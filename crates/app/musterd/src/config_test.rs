use super::*;
use std::fs;

fn load(text: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.toml");
    fs::write(&path, text).unwrap();
    Config::load(&path).map_err(|e| e.to_string())
}

const GOOD: &str = r#"
name = "a"
data_dir = "data"
[link]
listen = "127.0.0.1:7400"
[[c2s.certificate]]
domain = "example.com"
chain = "chain.pem"
key = "key.pem"
"#;

#[test]
fn a_short_file_is_enough_and_paths_are_relative_to_it() {
    let config = load(GOOD).unwrap();
    assert!(config.data_dir.is_absolute());
    assert!(config.c2s.certificate[0].key.is_absolute());
    assert_eq!(config.addresses().link, "127.0.0.1:7400");
    assert_eq!(config.c2s.listen.len(), 2);
}

#[test]
fn what_is_wrong_is_named_with_its_option() {
    for (change, said) in [
        ("nonsense = 1\n", "unknown field `nonsense`"),
        ("name = \"b\"\n", "duplicate key"),
        ("[limits]\nstanza_bytes = 9999\n", "limits.stanza_bytes"),
        ("[timing]\nbeat_ms = 100\n", "beat_ms (100)"),
        ("[link]\nlisten = \"x\"\n", "duplicate"),
        (
            "[c2s]\nlisten_plaintext = [\"0.0.0.0:5222\"]\n",
            "plaintext",
        ),
        (
            "[c2s]\nmisplaced = \"see-other-host\"\n",
            "c2s.advertise and c2s.advertise_tls",
        ),
        ("[c2s]\nmisplaced = \"away\"\n", "`see-other-host`"),
        ("role = \"witness\"\n", "c2s.certificate: a witness"),
        ("role = \"master\"\n", "unknown variant `master`"),
        (
            "[services]\nstore = { delay_seconds = 0 }\n",
            "services.store.delay_seconds is 0",
        ),
        (
            "[services]\nc2s = { delay_seconds = 3601 }\n",
            "services.c2s.delay_seconds is 3601",
        ),
        ("[services]\nfax = {}\n", "unknown field `fax`"),
        ("[timing]\nbeat_ms = 0\n", "timing.beat_ms is 0"),
        ("[timing]\nprofile = \"far\"\n", "unknown variant `far`"),
        (
            "[timing]\nprofile = \"wan\"\nbeat_ms = 500\n",
            "beat_ms (500) must be less than half of election_min_ms (900)",
        ),
        ("[timing]\nbeat_ms = 9223372036854775807\n", "beat_ms ("),
        (
            "[timing]\nelection_max_ms = 9000000000000000000\n",
            "timing.election_max_ms",
        ),
        ("[c2s]\nclients_max = 0\n", "c2s.clients_max is 0"),
        ("[c2s]\nclients_max = 1000001\n", "c2s.clients_max"),
        ("[c2s]\nrouter_shards = 0\n", "c2s.router_shards is 0"),
        (
            "[c2s]\nrouter_shards = 17\n",
            "c2s.router_shards is 17: it must be from 1 to 16",
        ),
        (
            "[limits]\nsessions_per_user = 0\n",
            "limits.sessions_per_user",
        ),
        ("[limits]\ngrace_seconds = 86401\n", "limits.grace_seconds"),
        (
            "[c2s]\nlisten_tls = [\"0.0.0.0:5222\"]\n",
            "c2s.listen_tls: 0.0.0.0:5222 is taken by c2s.listen",
        ),
        (
            "[c2s]\nlisten = [\"127.0.0.1:5223\"]\n",
            "c2s.listen_tls: 0.0.0.0:5223 is taken by c2s.listen (127.0.0.1:5223)",
        ),
        (
            "[http]\nlisten = \"0.0.0.0:7400\"\n",
            "http.listen: 0.0.0.0:7400 is taken by link.listen",
        ),
        (
            "[admin]\nlisten = \"127.0.0.1:7402\"\n",
            "http.listen: 127.0.0.1:7402 is taken by admin.listen",
        ),
        (
            "[admin]\nadvertise = \"a.example\"\n",
            "admin.advertise: \"a.example\" is not host:port",
        ),
        (
            "[c2s]\nadvertise = [\"a.example:0\"]\n",
            "c2s.advertise: \"a.example:0\"",
        ),
        (
            "[c2s]\nadvertise_tls = [\"https://a.example:5223\"]\n",
            "c2s.advertise_tls: ",
        ),
        (
            "[[c2s.certificate]]\ndomain = \"Example.com\"\nchain = \"c\"\nkey = \"k\"\n",
            "c2s.certificate (Example.com): this domain has two",
        ),
        (
            "[[c2s.certificate]]\ndomain = \"a@b\"\nchain = \"c\"\nkey = \"k\"\n",
            "c2s.certificate (a@b)",
        ),
    ] {
        // Top-level keys go before the first table.
        let text = if change.starts_with('[') {
            format!("{GOOD}{change}")
        } else {
            format!("{change}{GOOD}")
        };
        let error = load(&text).expect_err(change);
        assert!(error.contains(said), "{change:?} gave {error}");
    }
    let open = GOOD.replace("127.0.0.1:7400", "0.0.0.0:7400");
    assert!(load(&open).unwrap_err().contains("link.advertise"));
    let bare = GOOD.split("[[").next().unwrap();
    let plaintext =
        "[c2s]\nlisten = []\nlisten_tls = []\nlisten_plaintext = [\"127.0.0.1:5222\"]\n";
    for text in [bare, &format!("{bare}{plaintext}")] {
        assert!(load(text).unwrap_err().contains("c2s.certificate: "));
    }
    let advertised = "advertise = \"[::1]\"\n[[c2s.certificate]]";
    let advertised = GOOD.replace("[[c2s.certificate]]", advertised);
    assert!(load(&advertised).unwrap_err().contains("link.advertise: "));
}

#[test]
fn a_witness_has_no_options_for_clients_not_even_the_default_ones() {
    let witness = GOOD.split("[[").next().unwrap();
    let witness = format!("role = \"witness\"\n{witness}");
    load(&witness).unwrap();
    for (option, value) in [
        ("listen", "[\"0.0.0.0:5222\", \"[::]:5222\"]"),
        ("advertise", "[]"),
        ("clients_max", "19000"),
    ] {
        let error = load(&format!("{witness}[c2s]\n{option} = {value}\n")).unwrap_err();
        assert!(error.contains(&format!("c2s.{option}: ")), "{error}");
    }
    let api = "[api]\nlisten = [\"[::]:7443\"]\n";
    let error = load(&format!("{witness}{api}")).unwrap_err();
    assert!(error.contains("api.listen: a witness"), "{error}");
}

#[test]
fn the_api_is_off_unless_it_is_asked_for_and_takes_no_port_of_another() {
    assert_eq!(load(GOOD).unwrap().api.listen, []);
    let with = |address: &str| load(&format!("{GOOD}[api]\nlisten = [\"{address}\"]\n"));
    assert_eq!(with("[::]:7443").unwrap().api.listen.len(), 1);
    let error = with("0.0.0.0:5222").unwrap_err();
    assert!(error.contains("api.listen"), "{error}");
}

#[test]
fn addresses_that_others_use_have_host_and_port() {
    for address in [
        "a.example:1",
        "192.0.2.1:65535",
        "[2001:db8::1]:7400",
        "xn--a_b:80",
    ] {
        let text = format!("advertise = {address:?}\n[[c2s.certificate]]");
        load(&GOOD.replace("[[c2s.certificate]]", &text)).unwrap();
    }
}

#[test]
fn what_is_not_said_is_on_loopback_or_everywhere() {
    let config = load(&GOOD.replace(
        "[link]\nlisten = \"127.0.0.1:7400\"",
        "[link]\nadvertise = \"a:1\"",
    ))
    .unwrap();
    assert_eq!(config.link.listen.to_string(), "[::]:7400");
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:7402");
    assert_eq!(config.admin.listen, None);
}

#[test]
fn the_session_side_has_as_many_shards_as_is_said_or_one_for_two_processors() {
    let shards = |text: &str| load(text).unwrap().shards().count();
    for count in [1, 2, 16] {
        let text = format!("{GOOD}[c2s]\nrouter_shards = {count}\n");
        assert_eq!(shards(&text), count);
    }
    let processors = std::thread::available_parallelism().unwrap().get();
    assert_eq!(shards(GOOD), (processors / 2).clamp(1, 16));
    let witness = GOOD.split("[[").next().unwrap();
    assert_eq!(shards(&format!("role = \"witness\"\n{witness}")), 1);
}

#[test]
fn the_examples_for_operators_are_accepted() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../deploy");
    for name in ["a.toml", "b.toml", "w.toml"] {
        Config::load(&deploy.join(name)).unwrap();
    }
}

#[test]
fn a_profile_sets_the_times_that_are_not_set() {
    let times = |text: &str| {
        let timing = load(&format!("{GOOD}{text}")).unwrap().timing.timing();
        [timing.beat, timing.election_min, timing.election_max].map(|time| time.as_millis())
    };
    for (text, expected) in [
        ("", [50, 200, 400]),
        ("[timing]\nprofile = \"lan\"\n", [50, 200, 400]),
        ("[timing]\nprofile = \"wan\"\n", [100, 900, 1_300]),
        (
            "[timing]\nprofile = \"wan\"\nelection_max_ms = 2000\n",
            [100, 900, 2_000],
        ),
    ] {
        assert_eq!(times(text), expected, "{text}");
    }
}
