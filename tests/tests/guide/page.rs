//! What is to be done on a page for operators: fenced blocks, with the hosts that the line above them names.
//!
//! | fence | meaning |
//! |---|---|
//! | `sh` | run on each host that is named; it ends well |
//! | `sh until` | run again until what it prints is as expected |
//! | `sh live` | started, and left running |
//! | `sh install` | not run: `cargo xtask prove deb` is the proof |
//! | `text` | what the block above prints |
//! | `text live` | what the block that was left running has printed, among other lines |
//! | `zone` | what the operator puts into the DNS |

use anyhow::{Context, Result, bail, ensure};

/// Something to do, with where it stands.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    /// The line of the page that the block's text begins with.
    pub(crate) line: usize,
    /// The heading that it is below.
    pub(crate) section: String,
    /// What there is to do.
    pub(crate) deed: Deed,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Deed {
    Run(Command),
    LeaveRunning(Command),
    Install,
    Publish(String),
    Hear(Text),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Command {
    pub(crate) hosts: Vec<String>,
    pub(crate) script: String,
    /// Whether to try again until it says what is expected.
    pub(crate) again: bool,
    pub(crate) expected: Option<Text>,
}

/// What is expected, and where it stands.
#[derive(Debug, PartialEq)]
pub(crate) struct Text {
    pub(crate) line: usize,
    pub(crate) lines: Vec<String>,
}

/// Reads a page.
///
/// # Errors
/// Fails with the line that cannot be understood: a test must not pass over what it does not know.
pub(crate) fn read(page: &str) -> Result<Vec<Step>> {
    let mut reader = Reader::default();
    let mut lines = (1..).zip(page.lines());
    while let Some((number, line)) = lines.next() {
        let Some(fence) = line.strip_prefix("```") else {
            reader.prose(line);
            continue;
        };
        let mut block = Vec::new();
        loop {
            let (_, line) = lines
                .next()
                .with_context(|| format!("line {number}: the block has no end"))?;
            if line == "```" {
                break;
            }
            block.push(line.to_owned());
        }
        let text = Text {
            line: number + 1,
            lines: block,
        };
        reader
            .block(fence, text)
            .with_context(|| format!("line {number}: ```{fence}"))?;
    }
    Ok(reader.steps)
}

#[derive(Default)]
struct Reader {
    steps: Vec<Step>,
    section: String,
    hosts: Vec<String>,
    /// Whether a block that prints something stands directly above.
    may_print: bool,
}

impl Reader {
    fn prose(&mut self, line: &str) {
        if line.is_empty() {
            return;
        }
        if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut self.section);
        }
        self.hosts = hosts(line);
        self.may_print = false;
    }

    fn block(&mut self, fence: &str, text: Text) -> Result<()> {
        let prints = self.may_print;
        self.may_print = matches!(fence, "sh" | "sh until");
        let (line, hosts) = (text.line, std::mem::take(&mut self.hosts));
        ensure!(
            hosts.is_empty() != fence.starts_with("sh"),
            "`On \u{201c}host\u{201d}:` stands above commands, and only there"
        );
        let command = |again| Command {
            hosts,
            script: text.lines.join("\n"),
            again,
            expected: None,
        };
        let deed = match fence {
            "sh" => Deed::Run(command(false)),
            "sh until" => Deed::Run(command(true)),
            "sh live" => Deed::LeaveRunning(command(false)),
            "sh install" => Deed::Install,
            "zone" => Deed::Publish(text.lines.join("\n")),
            "text live" => Deed::Hear(text),
            "text" => {
                let above = self.steps.last_mut().map(|step| &mut step.deed);
                match above {
                    Some(Deed::Run(command)) if prints => command.expected = Some(text),
                    _ => bail!("no command stands above it that could print this"),
                }
                return Ok(());
            }
            _ => bail!("it is not known what to do with such a block"),
        };
        let section = self.section.clone();
        self.steps.push(Step {
            line,
            section,
            deed,
        });
        Ok(())
    }
}

/// The hosts of ``On `a`, `b` and `w`:``.
fn hosts(line: &str) -> Vec<String> {
    let Some(names) = line
        .strip_prefix("On ")
        .and_then(|rest| rest.strip_suffix(':'))
    else {
        return Vec::new();
    };
    let names = names.split('`').skip(1).step_by(2);
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{Command, Deed, Step, Text, read};

    #[test]
    fn commands_have_their_hosts_and_what_they_print() {
        let page = "# Title\n\n## Start\n\nOn `a` and `w`:\n\n```sh until\nx \\\n  y\n```\n\n```text\none\n\n…\n```\n";
        let step = Step {
            line: 8,
            section: "Start".to_owned(),
            deed: Deed::Run(Command {
                hosts: vec!["a".to_owned(), "w".to_owned()],
                script: "x \\\n  y".to_owned(),
                again: true,
                expected: Some(Text {
                    line: 13,
                    lines: vec!["one".to_owned(), String::new(), "…".to_owned()],
                }),
            }),
        };
        assert_eq!(read(page).expect("a page"), [step]);
    }

    #[test]
    fn what_is_not_understood_is_an_error_with_its_line() {
        for (page, why) in [
            ("\n```sh\nx\n```\n", "line 2"),
            ("On `a`:\n\n```zsh\nx\n```\n", "line 3"),
            ("On `a`:\n\n```sh\nx\n", "no end"),
            (
                "On `a`:\n\n```sh\nx\n```\nprose\n```text\ny\n```\n",
                "line 7",
            ),
            ("```text\ny\n```\n", "line 1"),
            ("```mystery\ny\n```\n", "line 1"),
        ] {
            let error = format!("{:#}", read(page).expect_err(page));
            assert!(error.contains(why), "{page}: {error}");
        }
    }

    #[test]
    fn only_what_the_package_does_is_left_out() {
        let page =
            "On `a`:\n```sh install\napt install x\n```\n```zone\nr\n```\n```text live\nz\n```\n";
        let deeds: Vec<_> = read(page)
            .expect("a page")
            .into_iter()
            .map(|step| step.deed)
            .collect();
        let heard = Text {
            line: 9,
            lines: vec!["z".to_owned()],
        };
        let zone = Deed::Publish("r".to_owned());
        assert_eq!(deeds, [Deed::Install, zone, Deed::Hear(heard)]);
    }
}
