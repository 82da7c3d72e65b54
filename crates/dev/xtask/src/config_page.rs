//! musterd.toml(5): the manual page of the configuration file, from what the structs that read it say of each option.
//!
//! The sources are read line by line, as `cargo fmt` leaves them: documented fields and variants of `pub(crate)` items.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

const SOURCES: [&str; 3] = [
    "crates/app/musterd/src/config.rs",
    "crates/app/musterd/src/config/profile.rs",
    "crates/app/musterd/src/config/services.rs",
];
const ROOT: &str = "Config";

const INTRODUCTION: &str = "\
`musterd run` and `musterd check` are given the path of this file; the service reads it from `/etc/muster/musterd.toml`. It is TOML: \
options below, and tables of options. What is not set has its default. Relative paths are taken from the folder of the file.\n\n\
`musterd check` names what is wrong with a file without starting anything. Examples for both nodes of a pair and for a witness are in \
`/usr/share/doc/muster/examples`.";

/// A field, or a variant, which has no kind.
struct Member {
    name: String,
    kind: String,
    docs: String,
}

/// The structs and enums of the configuration.
type Items = BTreeMap<String, Vec<Member>>;

/// The page.
pub(crate) fn page(workspace: &Workspace, release: &str) -> Result<String> {
    let mut items = Items::new();
    for source in SOURCES {
        let path = workspace.root.join(source);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {source}"))?;
        read(&text, &mut items);
    }
    let root = items
        .get(ROOT)
        .with_context(|| format!("{} has no struct {ROOT}", SOURCES[0]))?;
    let mut page = format!(
        ".TH MUSTERD.TOML 5 \"\" \"Muster {release}\" \"Muster Manual\"\n\
         .SH NAME\nmusterd.toml \\- configuration of a node of Muster\n\
         .SH SYNOPSIS\n/etc/muster/musterd.toml\n.SH DESCRIPTION\n{}\n.SH OPTIONS\n",
        text(INTRODUCTION)
    );
    table(&mut page, &items, "", root);
    page.push_str(".SH SEE ALSO\n\\fBmusterd\\fR(8),\n\\fBmusterctl\\fR(1)\n");
    Ok(page)
}

/// Adds the items of a source file.
fn read(source: &str, items: &mut Items) {
    let (mut docs, mut inside) = (String::new(), None);
    for line in source.lines() {
        let word = line.trim();
        if let Some(doc) = word.strip_prefix("/// ") {
            docs.push_str(if docs.is_empty() { "" } else { " " });
            docs.push_str(doc);
        } else if word.starts_with('#') || word == "///" {
            // Attributes and paragraphs stand between an item and what is said of it.
        } else if let Some(name) = opened(line) {
            docs.clear();
            items.insert(name.clone(), Vec::new());
            inside = Some(name);
        } else if line == "}" {
            inside = None;
        } else {
            let docs = std::mem::take(&mut docs);
            let item = inside.as_ref().and_then(|name| items.get_mut(name));
            if let (Some(item), Some(member)) = (item, member(word, docs)) {
                item.push(member);
            }
        }
    }
}

/// The name of the item that a line opens.
fn opened(line: &str) -> Option<String> {
    let item = line.strip_prefix("pub(crate) ")?.strip_suffix(" {")?;
    let name = item
        .strip_prefix("struct ")
        .or_else(|| item.strip_prefix("enum "))?;
    Some(name.to_owned())
}

/// A documented field or variant.
fn member(line: &str, docs: String) -> Option<Member> {
    let line = line.strip_suffix(',').filter(|_| !docs.is_empty())?;
    let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let (name, kind) = line.split_once(": ").unwrap_or((line, ""));
    Some(Member {
        name: name.to_owned(),
        kind: kind.to_owned(),
        docs,
    })
}

/// Describes a table: first its options, then the tables in it. Tables of one kind are described together.
fn table(page: &mut String, items: &Items, path: &str, item: &[Member]) {
    let mut tables: Vec<(&Vec<Member>, Vec<&Member>)> = Vec::new();
    for member in item {
        match items.get(bare(&member.kind)).filter(|item| is_table(item)) {
            Some(kind) => match tables.last_mut() {
                Some((last, members)) if std::ptr::eq(*last, kind) => members.push(member),
                _ => tables.push((kind, vec![member])),
            },
            None => option(page, items, member),
        }
    }
    for (kind, members) in tables {
        let named = |member: &&Member| header(path, member);
        let headers: Vec<_> = members.iter().map(named).collect();
        writeln!(page, ".SS \"{}\"", text(&headers.join(" "))).ok();
        if let [member] = members[..] {
            writeln!(page, "{}", text(&member.docs)).ok();
        } else {
            for member in &members {
                entry(page, &header(path, member), "", &member.docs);
            }
        }
        let path = format!("{path}{}.", members[0].name);
        table(page, items, &path, kind);
    }
}

fn header(path: &str, member: &Member) -> String {
    if member.kind.starts_with("Vec<") {
        format!("[[{path}{}]]", member.name)
    } else {
        format!("[{path}{}]", member.name)
    }
}

/// Describes one option, and each word that it can be.
fn option(page: &mut String, items: &Items, member: &Member) {
    let value = match bare(&member.kind) {
        "String" => "TEXT",
        "PathBuf" => "PATH",
        "SocketAddr" => "ADDRESS:PORT",
        "bool" => "true|false",
        "u16" | "u64" | "usize" => "NUMBER",
        _ => "WORD",
    };
    let value = if member.kind.starts_with("Vec<") {
        format!("[{value}, ...]")
    } else {
        value.to_owned()
    };
    entry(page, &member.name, &format!(" = {value}"), &member.docs);
    let words = items.get(bare(&member.kind));
    for word in words.into_iter().flatten() {
        let said = format!("`{}`: {}", kebab(&word.name), word.docs);
        writeln!(page, ".IP\n{}", text(&said)).ok();
    }
}

fn entry(page: &mut String, name: &str, value: &str, docs: &str) {
    let (name, value, docs) = (text(name), text(value), text(docs));
    writeln!(page, ".TP\n\\fB{name}\\fR{value}\n{docs}").ok();
}

/// A kind without what is around it.
fn bare(kind: &str) -> &str {
    let inner = |around: &str| kind.strip_prefix(around)?.strip_suffix('>');
    inner("Vec<").or_else(|| inner("Option<")).unwrap_or(kind)
}

/// Fields have kinds, variants have none.
fn is_table(item: &[Member]) -> bool {
    item.iter().any(|member| !member.kind.is_empty())
}

/// A variant as the file spells it.
fn kebab(name: &str) -> String {
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.extend(letter.to_lowercase());
    }
    word
}

/// Text for roff: what stands in backticks is bold, an empty line begins a paragraph.
fn text(said: &str) -> String {
    let mut roff = String::new();
    for (number, part) in said.split('`').enumerate() {
        let escaped = part
            .replace('\\', "\\e")
            .replace('-', "\\-")
            .replace('\'', "\\(aq")
            .replace("\n\n", "\n.PP\n");
        if number % 2 == 1 {
            write!(roff, "\\fB{escaped}\\fR").ok();
        } else {
            roff.push_str(&escaped);
        }
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    /// What the typesetter complains about.
    fn mistakes(page: &str) -> String {
        let mut groff = Command::new("groff")
            .args(["-Kutf8", "-man", "-ww", "-z", "-Tutf8"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = groff.stdin.take().unwrap();
        input.write_all(page.as_bytes()).unwrap();
        drop(input);
        let output = groff.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    #[test]
    fn the_page_of_the_configuration_has_every_option_and_no_mistake_in_it() {
        let workspace = Workspace::find().unwrap();
        let page = page(&workspace, "0.1.0").unwrap();
        for part in [
            "\n\\fBname\\fR = TEXT\n",
            "\n\\fBlisten\\fR = [ADDRESS:PORT, ...]\n",
            "\n.SS \"[[c2s.certificate]]\"\n",
            "\n.SS \"[services.c2s] [services.router] ",
            "\n\\fBdelay_seconds\\fR = NUMBER\n",
            "\n\\fBsee\\-other\\-host\\fR: ",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert_eq!(mistakes(&page), "");
        // Each option of the examples is described.
        for file in ["deploy/a.toml", "deploy/w.toml"] {
            let example = fs::read_to_string(workspace.root.join(file)).unwrap();
            for line in example.lines() {
                let option = line.trim_start_matches("# ").split_once(" = ");
                let Some((name, _)) = option.filter(|(name, _)| !name.contains(' ')) else {
                    continue;
                };
                let there = page.contains(&format!("\n\\fB{name}\\fR ="))
                    || page.contains(&format!("\n\\fB[services.{name}]\\fR"));
                assert!(there, "{file}: {name}");
            }
        }
    }
}
