//! `config apply`: every node asked reads its file and says what would change; then all bring it into force, or, when
//! one refuses its file, none does.

use crate::ask::ask;
use crate::cli::Config;
use crate::connect::{Client, Connector};
use crate::failure::Failure;
use crate::output::{Answer, Format, progress};
use muster_admin::proto::{ConfigApplyRequest, ConfigChange, ConfigCheckRequest, ConfigDifference};
use serde_json::{Value, json};
use std::io::{self, BufRead, IsTerminal, Write};

/// What one node says.
struct Found {
    client: Client,
    difference: ConfigDifference,
}

pub(super) async fn run(
    connector: &Connector,
    command: Config,
    format: Format,
) -> Result<Answer, Failure> {
    let Config::Apply { dry_run, yes } = command;
    let mut found = check(connector).await?;
    let text: String = found.iter().map(|one| text(&one.difference)).collect();
    let missing = not_asked(&found);
    let live = |one: &Found| one.difference.changes.iter().any(|change| change.live);
    if dry_run || !found.iter().any(live) {
        return Ok(answer(&found, text + &missing, false));
    }
    if format == Format::Table {
        progress(text.trim_end());
    }
    if !yes {
        confirm()?;
    }
    let mut done = Vec::new();
    for one in &mut found {
        let digest = one.difference.digest.clone();
        let applied = ask(one.client.config_apply(ConfigApplyRequest { digest })).await;
        let node = &one.difference.node;
        applied.map_err(|failure| half_done(node, &done, &failure))?;
        done.push(node.clone());
    }
    let words = format!("in force on {}\n{missing}", done.join(", "));
    Ok(answer(&found, words, true))
}

/// Asks every node; the first one that refuses its file ends it.
async fn check(connector: &Connector) -> Result<Vec<Found>, Failure> {
    let (nodes, silent) = connector.all().await?;
    if let Some(words) = silent.first() {
        return Err(Failure::Unreachable(format!(
            "{words}\nNothing was changed, on any node. Next: leave out the node that does not run: it reads its file when it starts"
        )));
    }
    let (mut found, mut refusals) = (Vec::new(), Vec::new());
    for node in nodes {
        let mut client = node.client;
        match ask(client.config_check(ConfigCheckRequest {})).await {
            Ok(difference) => found.push(Found { client, difference }),
            Err(failure) => refusals.push(format!("node {}: {failure}", node.hello.name)),
        }
    }
    match refusals.is_empty() {
        true => Ok(found),
        false => Err(Failure::Refused(format!(
            "{}\nNothing was changed by this command; a saved file that is good comes into force by itself",
            refusals.join("\n")
        ))),
    }
}

/// Members that nobody asked: whoever thinks of the whole cluster has to know.
fn not_asked(found: &[Found]) -> String {
    let asked: Vec<_> = found.iter().map(|one| &one.difference.node).collect();
    let members = found.first().map(|one| one.difference.members.as_slice());
    let others = members.unwrap_or_default().iter();
    let others: Vec<_> = others
        .filter(|name| !asked.contains(name))
        .map(String::as_str)
        .collect();
    if others.is_empty() {
        return String::new();
    }
    format!(
        "not asked: {} (name every node with --address)\n",
        others.join(", ")
    )
}

fn half_done(node: &str, done: &[String], failure: &Failure) -> Failure {
    let so_far = match done {
        [] => "Nothing was changed, on any node".to_owned(),
        done => format!(
            "In force on {} only: run `musterctl config apply` again",
            done.join(", ")
        ),
    };
    Failure::Refused(format!("node {node}: {failure}\n{so_far}"))
}

fn confirm() -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "nobody can be asked whether this is meant: give --yes; nothing was changed".to_owned(),
        ));
    }
    let mut err = io::stderr();
    write!(err, "Bring this into force? [y/N] ")?;
    err.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    match line.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::Refused(
            "nothing was changed by this command; a saved file comes into force by itself: put back what you do not want".to_owned(),
        )),
    }
}

fn text(difference: &ConfigDifference) -> String {
    let node = match difference.node.as_str() {
        "" => "A node without a name",
        name => &format!("Node {name}"),
    };
    let mut text = format!("{node}, {}\n", difference.file);
    if difference.changes.is_empty() {
        text += "  nothing is different\n";
    }
    for change in &difference.changes {
        let later = if change.live {
            ""
        } else {
            "  (after a restart)"
        };
        text += &format!("  {}{later}\n", change.option);
        for (sign, value) in [('-', &change.before), ('+', &change.after)] {
            if let Some(value) = value {
                text += &format!("    {sign} {value}\n");
            }
        }
    }
    text
}

fn answer(found: &[Found], text: String, applied: bool) -> Answer {
    let change = |change: &ConfigChange| {
        json!({
            "option": change.option,
            "before": change.before,
            "after": change.after,
            "needs_restart": !change.live,
        })
    };
    let node = |one: &Found| {
        let ConfigDifference {
            node,
            file,
            changes,
            ..
        } = &one.difference;
        let changes: Vec<Value> = changes.iter().map(change).collect();
        json!({ "node": node, "file": file, "changes": changes, "applied": applied })
    };
    Answer::new(text, Value::Array(found.iter().map(node).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_says_what_was_what_will_be_and_what_needs_a_restart() {
        let change = |option: &str, before: Option<&str>, after: Option<&str>, live| ConfigChange {
            option: option.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            live,
        };
        let mut difference = ConfigDifference {
            node: "a".to_owned(),
            file: "/etc/muster/musterd.toml".to_owned(),
            digest: "12".to_owned(),
            changes: vec![
                change("admin.listen", None, Some("\"127.0.0.1:7401\""), false),
                change("limits.grace_seconds", Some("60"), Some("5"), true),
            ],
            members: Vec::new(),
        };
        let expected = "Node a, /etc/muster/musterd.toml\n  admin.listen  (after a restart)\n    + \"127.0.0.1:7401\"\n  limits.grace_seconds\n    - 60\n    + 5\n";
        assert_eq!(text(&difference), expected);
        difference.changes.clear();
        assert!(text(&difference).ends_with("  nothing is different\n"));
    }
}
