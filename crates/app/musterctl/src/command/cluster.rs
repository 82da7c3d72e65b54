//! `cluster`, `token`, `operator`: who belongs to the cluster and who may administer it.

use crate::ask::ask;
use crate::cli::{Cluster, Operator, Token, TokenRole};
use crate::connect::Connector;
use crate::failure::Failure;
use crate::output::Answer;
use muster_admin::proto::{
    ClusterInitRequest, ClusterJoinRequest, OperatorCertificateRequest, Role, TokenCreateRequest,
};
use serde_json::json;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Longest token read from standard input, in bytes.
const TOKEN_BYTES_MAX: u64 = 4096;

pub(super) async fn cluster(connector: &Connector, command: Cluster) -> Result<Answer, Failure> {
    let mut client = connector.first().await?;
    let (cluster, node, next) = match command {
        Cluster::Init { domains } => {
            let made = ask(client.cluster_init(ClusterInitRequest { domains })).await?;
            let next = "Next: `musterctl group create NAME`, `musterctl group add-node NAME NODE`";
            (made.cluster, made.node, next)
        }
        Cluster::Join { token } => {
            let token = if token == "-" { read_token()? } else { token };
            let joined = ask(client.cluster_join(ClusterJoinRequest { token })).await?;
            (
                joined.cluster,
                joined.node,
                "Next: `musterctl group add-node GROUP NODE`, unless it is a witness",
            )
        }
    };
    let text = format!("this node is n{node} of cluster {cluster}\n{next}");
    Ok(Answer::new(
        text,
        json!({ "cluster": cluster, "node": format!("n{node}") }),
    ))
}

fn read_token() -> Result<String, Failure> {
    let mut token = String::new();
    io::stdin()
        .take(TOKEN_BYTES_MAX)
        .read_to_string(&mut token)?;
    Ok(token.trim().to_owned())
}

pub(super) async fn token(connector: &Connector, command: Token) -> Result<Answer, Failure> {
    let Token::Create { role, lifetime } = command;
    let role = match role {
        TokenRole::Serving => Role::Serving,
        TokenRole::Witness => Role::Witness,
    };
    // 0 would mean the node's default.
    if lifetime.as_secs() == 0 {
        return Err(Failure::Usage("--lifetime must be at least 1s".to_owned()));
    }
    let request = TokenCreateRequest {
        role: role.into(),
        lifetime_seconds: lifetime.as_secs(),
    };
    let made = ask(connector.client().await?.token_create(request)).await?;
    // Alone on its line, so that it can be piped into `cluster join -`.
    let value = json!({ "token": made.token, "expires": made.expires });
    Ok(Answer::new(made.token, value))
}

pub(super) async fn operator(connector: &Connector, command: Operator) -> Result<Answer, Failure> {
    let Operator::Create { name, out } = command;
    fs::create_dir_all(&out).map_err(|error| Failure::file(&out, &error))?;
    let files = ["cert.pem", "key.pem", "ca.pem"].map(|file| out.join(file));
    if let Some(there) = files.iter().find(|file| file.exists()) {
        let text = format!("{} is there already: name another folder", there.display());
        return Err(Failure::Refused(text));
    }
    let request = OperatorCertificateRequest { name: name.clone() };
    let made = ask(connector.client().await?.operator_certificate(request)).await?;
    for (path, pem) in files.iter().zip([made.certificate, made.key, made.ca]) {
        write_private(path, &pem).map_err(|error| Failure::file(path, &error))?;
    }
    let [cert, key, ca] = files.map(|file| file.display().to_string());
    let text = format!(
        "{name} may administer the cluster with:\n  --cert {cert} --key {key} --ca {ca} --address HOST:PORT"
    );
    Ok(Answer::new(
        text,
        json!({ "operator": name, "cert": cert, "key": key, "ca": ca }),
    ))
}

/// Writes a new file that only its owner can read.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
