//! `docs/failure-matrix.md`: every row of its table of faults names what measures it, and its figures are those of the
//! raw results.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use crate::marks::Part;
use crate::workspace::Workspace;
use crate::{elections, promises, takeover};

const PAGE: &str = "docs/failure-matrix.md";
const HEAD: &str = "| fault | what must hold | what was measured | measured by |";
/// The parts of the page that are made of raw results.
const PARTS: [&str; 2] = ["takeover", "elections"];
const PICTURES: &str = "docs/pictures";

/// Rows without an existing test, and figures and pictures that are not those of the results.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let page = read(workspace)?;
    let mut found = rows(&page, &promises::tests(workspace)?);
    if with_all_figures(workspace, &page)? != page {
        found.push(format!(
            "{PAGE}: its figures are not those of benches/results: run `cargo xtask matrix`"
        ));
    }
    for (name, picture) in pictures(workspace)? {
        let path = workspace.root.join(PICTURES).join(name);
        if fs::read_to_string(path).ok() != Some(picture) {
            found.push(format!(
                "{PICTURES}/{name} is not that of benches/results: run `cargo xtask matrix`"
            ));
        }
    }
    Ok(found)
}

/// Writes the figures into the page, and draws the pictures.
pub(crate) fn write(workspace: &Workspace) -> Result<bool> {
    let page = with_all_figures(workspace, &read(workspace)?)?;
    fs::write(workspace.root.join(PAGE), page).with_context(|| format!("writing {PAGE}"))?;
    let folder = workspace.root.join(PICTURES);
    fs::create_dir_all(&folder).with_context(|| format!("making {PICTURES}"))?;
    for (name, picture) in pictures(workspace)? {
        fs::write(folder.join(name), picture).with_context(|| format!("writing {name}"))?;
    }
    Ok(true)
}

fn pictures(workspace: &Workspace) -> Result<Vec<(&'static str, String)>> {
    let mut all = elections::pictures(workspace)?;
    all.push(takeover::picture(workspace)?);
    Ok(all)
}

fn with_all_figures(workspace: &Workspace, page: &str) -> Result<String> {
    let figures = [
        takeover::summary(workspace)?,
        elections::summary(workspace)?,
    ];
    let mut page = page.to_owned();
    for (name, figures) in PARTS.into_iter().zip(figures) {
        let part = Part {
            page: PAGE,
            name,
            command: "cargo xtask matrix",
        };
        page = part.put(&page, &figures)?;
    }
    Ok(page)
}

fn read(workspace: &Workspace) -> Result<String> {
    fs::read_to_string(workspace.root.join(PAGE)).with_context(|| format!("reading {PAGE}"))
}

/// What is wrong with the rows of the table of faults.
fn rows(page: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut rows = (1..)
        .zip(page.lines())
        .skip_while(|(_, line)| *line != HEAD);
    if rows.next().is_none() {
        found.push(format!("{PAGE}: there is no table {HEAD:?}"));
    }
    // The line below the head is no row.
    for (number, row) in rows.skip(1).take_while(|(_, line)| line.starts_with('|')) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, _, _, by] = cells[..] else {
            found.push(format!("{PAGE}:{number}: {} cells", cells.len()));
            continue;
        };
        let names: Vec<_> = by.split('`').skip(1).step_by(2).collect();
        if names.is_empty() && by != "open" {
            found.push(format!("{PAGE}:{number}: names no test, and is not open"));
        }
        let missing = names.iter().filter(|name| !promises::exists(name, tests));
        found.extend(missing.map(|name| format!("{PAGE}:{number}: there is no {name}")));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{HEAD, rows};

    #[test]
    fn a_row_names_a_test_that_exists_or_is_open() {
        let tests = BTreeSet::from(["one_holds".to_owned()]);
        for (row, wrong) in [
            ("| a | b | c | `one_holds` |", false),
            ("| a | b | c | `one_holds`, `cargo xtask sim` |", false),
            ("| a | b | c | open |", false),
            ("| a | b | c | later |", true),
            ("| a | b | c | `another_holds` |", true),
            ("| a | b | `one_holds` |", true),
        ] {
            let page = format!("# T\n\n{HEAD}\n|---|---|---|---|\n{row}\n\n| another | table |\n");
            assert_eq!(rows(&page, &tests).len(), usize::from(wrong), "{row}");
        }
        assert_eq!(rows("no table", &tests).len(), 1);
    }
}
