use super::*;

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
        ("role = \"witness\"\n", "witness"),
        ("role = \"master\"\n", "unknown variant `master`"),
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
    assert!(load(bare).unwrap_err().contains("[[c2s.certificate]]"));
}
