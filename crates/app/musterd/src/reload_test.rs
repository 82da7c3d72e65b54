use super::*;
use muster_link::ClusterCa;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

const DOMAIN: &str = "example.com";

/// Writes a certificate and its key as `DOMAIN.pem` and `DOMAIN.key`.
fn write_certificate(folder: &Path, domain: &str) {
    let issued = ClusterCa::generate("test").unwrap();
    let issued = issued.issue_server(&[domain], &[]).unwrap();
    fs::write(folder.join(format!("{domain}.pem")), issued.certificate).unwrap();
    let key = folder.join(format!("{domain}.key"));
    fs::write(&key, issued.key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
}

struct Site {
    folder: TempDir,
    reload: Arc<Reload>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_certificate(folder.path(), DOMAIN);
        let file = folder.path().join("musterd.toml");
        fs::write(&file, text("")).unwrap();
        let config = Config::load(&file).unwrap();
        let reload = Reload::new(&file, config);
        Self { folder, reload }
    }

    fn write(&self, more: &str) {
        fs::write(self.folder.path().join("musterd.toml"), text(more)).unwrap();
    }

    fn grace(&self) -> u64 {
        self.reload.in_force().get().limits.grace_seconds
    }
}

fn text(more: &str) -> String {
    format!(
        "name = \"a\"\ndata_dir = \"data\"\n[link]\nlisten = \"127.0.0.1:7400\"\n\
         [[c2s.certificate]]\ndomain = \"{DOMAIN}\"\nchain = \"{DOMAIN}.pem\"\nkey = \"{DOMAIN}.key\"\n{more}"
    )
}

#[test]
fn what_was_shown_is_applied_and_nothing_else() {
    let site = Site::new();
    assert_eq!(site.reload.check().unwrap().changes, []);
    site.write("[limits]\ngrace_seconds = 30\n");
    let shown = site.reload.check().unwrap();
    assert_eq!(shown.changes.len(), 1);
    assert_eq!(site.grace(), 60, "shown, not applied");

    let wrong = site.reload.apply_shown("00", "a test");
    assert!(wrong.unwrap_err().contains("look at the difference again"));
    let gone = site.reload.apply_shown(&shown.digest, "a test");
    assert!(gone.is_err(), "it has to be shown again");

    // The file changes behind the operator's back: in force comes what was seen.
    let shown = site.reload.check().unwrap();
    site.write("[limits]\ngrace_seconds = 10\n");
    site.reload.apply_shown(&shown.digest, "a test").unwrap();
    assert_eq!(site.grace(), 30);
    site.reload.apply_now("a test").unwrap();
    assert_eq!(site.grace(), 10);
}

#[test]
fn a_bad_file_changes_nothing_and_says_what_is_wrong() {
    let site = Site::new();
    let pem = |name: &str| site.folder.path().join(name);
    let other = tempfile::tempdir().unwrap();
    write_certificate(other.path(), "elsewhere.example");
    let copy = |from: &str, to: &str| {
        fs::copy(other.path().join(from), pem(to)).unwrap();
    };
    let breaks: [(&str, &dyn Fn()); 6] = [
        ("unknown field `grace`", &|| {
            site.write("[limits]\ngrace = 1\ngrace_seconds = 1\n")
        }),
        ("limits.grace_seconds", &|| {
            site.write("[limits]\ngrace_seconds = 1000000\n")
        }),
        ("role", &|| {
            let witness = "name = \"a\"\nrole = \"witness\"\ndata_dir = \"data\"\n[link]\nlisten = \"127.0.0.1:7400\"\n[limits]\ngrace_seconds = 1\n";
            fs::write(pem("musterd.toml"), witness).unwrap();
        }),
        ("larger than", &|| site.write(&"#".repeat(2 << 20))),
        ("is not for example.com", &|| {
            site.write("[limits]\ngrace_seconds = 1\n");
            copy("elsewhere.example.pem", "example.com.pem");
            copy("elsewhere.example.key", "example.com.key");
        }),
        ("cannot read", &|| {
            fs::remove_file(pem("example.com.pem")).unwrap()
        }),
    ];
    for (said, broken) in breaks {
        broken();
        let why = site.reload.check().unwrap_err();
        assert!(why.contains(said), "{said}: {why}");
        let why = site.reload.apply_now("a test").unwrap_err();
        assert!(why.contains(said) && why.contains("stays"), "{said}: {why}");
        assert_eq!(site.grace(), 60, "{said}");
    }
}

#[test]
fn what_needs_a_restart_stays_and_the_rest_comes_into_force() {
    let site = Site::new();
    site.write("[limits]\ngrace_seconds = 5\n[admin]\nlisten = \"127.0.0.1:7401\"\n");
    let done = site.reload.apply_now("a test").unwrap();
    let named: Vec<_> = done
        .changes
        .iter()
        .map(|c| (c.option.as_str(), c.live))
        .collect();
    assert_eq!(
        named,
        [("admin.listen", false), ("limits.grace_seconds", true)]
    );
    let in_force = site.reload.in_force().get();
    assert_eq!(in_force.admin.listen, None);
    assert_eq!(in_force.limits.grace_seconds, 5);
    // It is said again until the node starts anew.
    let later = site.reload.check().unwrap();
    assert_eq!(later.changes.len(), 1);
    assert_eq!(later.changes[0].option, "admin.listen");
}

#[test]
fn another_certificate_for_the_same_domain_is_a_change() {
    let one = |mark: u8| CertificateInfo {
        domain: DOMAIN.to_owned(),
        sha256: [mark; 32],
        ends: muster_types::Timestamp(1_800_000_000_000),
    };
    assert_eq!(renewed(&[one(1)], &[one(1)]), []);
    let changed = renewed(&[one(1)], &[one(2)]);
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].option, "c2s.certificate (example.com)");
    let before = changed[0].before.clone().unwrap();
    assert_eq!(before, "0101010101010101…, ends 2027-01-15T08:00:00.000Z");
    assert!(changed[0].live);
}
