//! `doctor`: what the nodes stand on, whether that will do, and what to do if not.

use crate::ask::ask;
use crate::connect::Connector;
use crate::failure::Failure;
use crate::output::{Answer, Format};
use muster_admin::proto::{Check, CheckupRequest, CheckupResponse, Verdict};
use serde_json::{Value, json};

/// Asks every node that was named; fails when a check does, or a node does not answer.
pub(super) async fn run(connector: &Connector, format: Format) -> Result<(), Failure> {
    let (nodes, silent) = connector.all().await?;
    let mut found = Vec::new();
    for mut node in nodes {
        let name = &node.hello.name;
        let checkup = ask(node.client.checkup(CheckupRequest {})).await;
        found.push(checkup.unwrap_or_else(|failure| unheard(name, failure.to_string())));
    }
    found.extend(silent.into_iter().map(|words| unheard("", words)));
    answer(&found).print(format)?;
    let checks = found.iter().flat_map(|node| &node.checks);
    match checks.filter(|one| word(one) == "FAIL").count() {
        0 => Ok(()),
        1 => Err(Failure::Refused("1 check failed".to_owned())),
        failed => Err(Failure::Refused(format!("{failed} checks failed"))),
    }
}

/// A node that says nothing of itself.
fn unheard(node: &str, words: String) -> CheckupResponse {
    let check = Check {
        name: "answer".to_owned(),
        verdict: i32::from(Verdict::Fail),
        words,
        remedy: "start the node, or mend the way to it".to_owned(),
    };
    CheckupResponse {
        node: node.to_owned(),
        checks: vec![check],
    }
}

fn answer(found: &[CheckupResponse]) -> Answer {
    let text: String = found.iter().map(text).collect();
    let value = found.iter().flat_map(|node| {
        let value = |check: &Check| value(&node.node, check);
        node.checks.iter().map(value)
    });
    Answer::new(text, Value::Array(value.collect()))
}

fn text(node: &CheckupResponse) -> String {
    let mut text = match node.node.as_str() {
        "" => "A node without a name\n".to_owned(),
        name => format!("Node {name}\n"),
    };
    for check in &node.checks {
        let word = word(check);
        text += &format!("  {word:4}  {:12}  {}\n", check.name, check.words);
        if !check.remedy.is_empty() {
            text += &format!("        Next: {}\n", check.remedy);
        }
    }
    text
}

fn value(node: &str, check: &Check) -> Value {
    json!({
        "node": node,
        "check": check.name,
        "verdict": word(check).to_lowercase(),
        "words": check.words,
        "remedy": check.remedy,
    })
}

/// Those that ask for something stand out.
fn word(check: &Check) -> &'static str {
    match check.verdict() {
        Verdict::Pass => "pass",
        Verdict::Warn => "WARN",
        // What this program does not know yet is not well.
        Verdict::Fail | Verdict::Unspecified => "FAIL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_is_a_line_and_what_to_do_another() {
        let check = |name: &str, verdict: Verdict, words: &str, remedy: &str| Check {
            name: name.to_owned(),
            verdict: i32::from(verdict),
            words: words.to_owned(),
            remedy: remedy.to_owned(),
        };
        let node = CheckupResponse {
            node: "a".to_owned(),
            checks: vec![
                check("disk", Verdict::Pass, "a sync takes 3 ms", ""),
                check(
                    "open-files",
                    Verdict::Warn,
                    "room for 768 clients",
                    "set LimitNOFILE=19256",
                ),
            ],
        };
        let expected = "Node a\n  pass  disk          a sync takes 3 ms\n  WARN  open-files    room for 768 clients\n        Next: set LimitNOFILE=19256\n";
        assert_eq!(text(&node), expected);
        let verdicts = node.checks.iter().map(|check| value("a", check));
        let verdicts: Vec<_> = verdicts.map(|value| value["verdict"].clone()).collect();
        assert_eq!(verdicts, ["pass", "warn"]);
    }
}
