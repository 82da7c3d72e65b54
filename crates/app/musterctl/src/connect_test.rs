use super::*;
use crate::cli::{Cli, Command};
use crate::command;
use crate::output::Format;
use clap::Parser;
use muster_admin::fake::Fake;
use muster_admin::{AdminListener, Backend};
use muster_types::NodeId;
use std::fs;
use std::future::pending;
use tempfile::TempDir;
use tokio::net::UnixListener;

/// A node on a socket in a folder.
struct Served {
    folder: TempDir,
    fake: Arc<Fake>,
}

impl Served {
    fn new(fake: Arc<Fake>) -> Self {
        let folder = TempDir::new().unwrap();
        let listener = AdminListener::unix(&folder.path().join("admin.sock")).unwrap();
        tokio::spawn(listener.serve(Arc::<Fake>::clone(&fake), pending()));
        Self { folder, fake }
    }

    fn address(&self) -> String {
        format!("unix:{}", self.folder.path().join("admin.sock").display())
    }

    /// Runs a command line; what it prints is not looked at.
    async fn run(&self, words: &[&str]) -> Result<(), Failure> {
        let address = self.address();
        let mut line = vec!["musterctl", "--address", &address, "-o", "json"];
        line.extend(words);
        command::run(Cli::try_parse_from(line).unwrap()).await
    }
}

fn connector(addresses: &[&str]) -> Connector {
    let addresses = addresses
        .iter()
        .map(|address| address.parse().unwrap())
        .collect();
    Connector::new(&Target {
        addresses,
        cert: None,
        key: None,
        ca: None,
    })
    .unwrap()
}

fn text(failed: Result<Client, Failure>) -> String {
    match failed {
        Err(Failure::Unreachable(text)) => text,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("somebody answered"),
    }
}

#[tokio::test]
async fn when_nobody_answers_every_address_has_its_cause() {
    let folder = TempDir::new().unwrap();
    let stale = folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let silent = folder.path().join("silent.sock");
    let _silent = UnixListener::bind(&silent).unwrap();
    let missing = folder.path().join("missing.sock");
    let [missing, stale, silent] = [missing, stale, silent].map(|p| p.display().to_string());
    let said = text(
        connector(&[&missing, &stale, &silent, "127.0.0.1:1"])
            .client()
            .await,
    );
    for line in [
        format!("{missing}: there is no such socket"),
        format!("{stale}: nobody listens there"),
        format!("{silent}: no answer within 2 s"),
        "127.0.0.1:1: a certificate is needed".to_owned(),
        "Next: ".to_owned(),
    ] {
        assert!(said.contains(&line), "{line} is not in\n{said}");
    }
}

#[tokio::test]
async fn a_node_with_a_quorum_is_preferred() {
    let (cut_off, well) = (Served::new(Fake::pair()), Served::new(Fake::pair()));
    cut_off.fake.change_live(|live| live.control_quorum = false);
    well.fake.change_live(|live| live.node = NodeId(2));
    let both = connector(&[&cut_off.address(), &well.address()]);
    let mut client = both.client().await.unwrap();
    let hello = client.hello(HelloRequest {}).await.unwrap().into_inner();
    assert_eq!(hello.name, "b");

    let mut client = both.first().await.unwrap();
    let hello = client.hello(HelloRequest {}).await.unwrap().into_inner();
    assert_eq!(hello.name, "a");
    let mut client = connector(&[&cut_off.address()]).client().await.unwrap();
    assert_eq!(
        client
            .hello(HelloRequest {})
            .await
            .unwrap()
            .into_inner()
            .name,
        "a"
    );
}

#[tokio::test]
async fn certificate_key_and_ca_belong_together() {
    let target = Target {
        addresses: Vec::new(),
        cert: Some("cert.pem".into()),
        key: None,
        ca: None,
    };
    assert!(matches!(Connector::new(&target), Err(Failure::Usage(_))));
}

#[tokio::test]
async fn commands_reach_the_cluster() {
    let served = Served::new(Fake::pair());
    let password = served.folder.path().join("password");
    fs::write(&password, "secret\n").unwrap();
    let password = password.display().to_string();
    for words in [
        &["status"][..],
        &["get", "nodes"],
        &["get", "groups"],
        &["get", "slot"],
        &["get", "settings"],
        &["get", "sessions"],
        &["describe", "node", "b"],
        &[
            "user",
            "add",
            "alice@example.com",
            "--password-file",
            &password,
        ],
        &["user", "set-password", "alice@example.com", "--generate"],
        &["user", "disable", "alice@example.com"],
        &["describe", "users", "alice@example.com"],
        &["user", "list"],
        &["user", "remove", "alice@example.com"],
        &["domain", "add", "example.net"],
        &["settings", "set", "fallback-delay=5s"],
        &["token", "create", "--role", "witness"],
        &["group", "create", "west"],
        &["group", "remove", "west"],
        &["dns", "records"],
        &["group", "failover", "a"],
    ] {
        let ran = served.run(words).await;
        assert_eq!(ran, Ok(()), "{words:?}");
    }
    assert!(served.fake.cluster().hosts("example.net"));
}

#[tokio::test]
async fn refusals_and_unknown_outcomes_have_their_exit_codes() {
    let served = Served::new(Fake::pair());
    for (words, code) in [
        (&["group", "failover", "z"][..], 1),
        (&["group", "fallback", "a"], 1),
        (&["describe", "node", "z"], 1),
        (&["user", "remove", "nobody@example.com"], 1),
        (&["cluster", "init"], 1),
        (
            &["token", "create", "--role", "witness", "--lifetime", "10ms"],
            2,
        ),
    ] {
        let failure = served.run(words).await.unwrap_err();
        assert_eq!(failure.code(), code, "{words:?}: {failure}");
    }
    served
        .fake
        .fail_with(Some(muster_admin::ProposeFailure::Unknown));
    let failure = served
        .run(&["domain", "add", "example.org"])
        .await
        .unwrap_err();
    assert_eq!(failure.code(), 4, "{failure}");
}

#[tokio::test]
async fn a_new_node_begins_a_cluster() {
    let served = Served::new(Fake::fresh());
    assert_eq!(served.run(&["get", "nodes"]).await.unwrap_err().code(), 1);
    served.run(&["status"]).await.unwrap();
    served
        .run(&["cluster", "init", "--domain", "example.com"])
        .await
        .unwrap();
    assert!(served.fake.cluster().hosts("example.com"));
}

#[tokio::test]
async fn an_operator_gets_three_private_files_and_keeps_older_ones() {
    use std::os::unix::fs::PermissionsExt;
    let served = Served::new(Fake::pair());
    let out = served.folder.path().join("olga");
    let words = [
        "operator",
        "create",
        "olga",
        "--out",
        &out.display().to_string(),
    ];
    served.run(&words).await.unwrap();
    for file in ["cert.pem", "key.pem", "ca.pem"] {
        let mode = fs::metadata(out.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(served.run(&words).await.unwrap_err().code(), 1);
}

#[tokio::test]
async fn an_import_takes_the_good_rows_and_names_the_bad_ones() {
    let served = Served::new(Fake::pair());
    let file = served.folder.path().join("users.csv");
    let mut rows = "jid,password,home,name\r\n".to_owned();
    for n in 0..1_203 {
        rows += &format!("user{n}@example.com,secret,,User {n}\r\n");
    }
    rows += "broken row\r\nnobody@elsewhere.net,secret,,\r\n";
    fs::write(&file, rows).unwrap();
    let file = file.display().to_string();
    let failure = served.run(&["user", "import", &file]).await.unwrap_err();
    assert_eq!(
        failure,
        Failure::Refused("2 row(s) did not go in; their lines are above".to_owned())
    );
    let state = served.fake.cluster();
    assert_eq!(state.account_count(), 1_203);
    let of = |slot| state.slot_accounts(muster_types::SlotId(slot));
    assert_eq!(of(1).abs_diff(of(2)), 1, "balanced");

    served
        .run(&["user", "import", &file, "--update"])
        .await
        .unwrap_err();
    assert_eq!(served.fake.cluster().account_count(), 1_203);
}

#[tokio::test]
async fn an_import_that_is_cut_off_says_how_to_go_on() {
    let served = Served::new(Fake::pair());
    let file = served.folder.path().join("users.csv");
    fs::write(&file, "jid,password\na@example.com,secret\n").unwrap();
    served
        .fake
        .fail_with(Some(muster_admin::ProposeFailure::NoQuorum));
    let file = file.display().to_string();
    let failure = served.run(&["user", "import", &file]).await.unwrap_err();
    assert!(failure.to_string().contains("--update"), "{failure}");
}

#[test]
fn the_command_line_is_consistent() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
    let cli = Cli::try_parse_from(["musterctl", "get", "nodes", "-o", "yaml"]).unwrap();
    assert!(matches!(cli.command, Command::Get { .. }));
    assert_eq!(cli.output, Format::Yaml);
}
