//! `docs/failure-matrix.md`: every row of its table of faults names what measures it, and its figures are those of the
//! raw results.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::promises;
use crate::takeover;
use crate::workspace::Workspace;

const PAGE: &str = "docs/failure-matrix.md";
const HEAD: &str = "| fault | what must hold | what was measured | measured by |";
const BEGIN: &str = "<!-- takeover: written by `cargo xtask matrix` -->\n";
const END: &str = "<!-- end of takeover -->";

/// Rows without an existing test, and figures that are not those of the results.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let page = read(workspace)?;
    let mut found = rows(&page, &promises::tests(workspace)?);
    if with_figures(&page, &takeover::summary(workspace)?)? != page {
        found.push(format!(
            "{PAGE}: the figures of the takeover are not those of {}: run `cargo xtask matrix`",
            takeover::RESULTS
        ));
    }
    Ok(found)
}

/// Writes the figures into the page.
pub(crate) fn write(workspace: &Workspace) -> Result<bool> {
    let page = with_figures(&read(workspace)?, &takeover::summary(workspace)?)?;
    fs::write(workspace.root.join(PAGE), page).with_context(|| format!("writing {PAGE}"))?;
    Ok(true)
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

fn with_figures(page: &str, figures: &str) -> Result<String> {
    let (Some(begin), Some(end)) = (page.find(BEGIN), page.find(END)) else {
        bail!("{PAGE}: the place of the figures, {BEGIN:?} to {END:?}, is not there");
    };
    let before = page.get(..begin + BEGIN.len()).unwrap_or_default();
    Ok(format!("{before}{figures}{}", &page[end..]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{BEGIN, END, HEAD, rows, with_figures};

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

    #[test]
    fn figures_take_the_place_of_older_ones() {
        let page = format!("before\n{BEGIN}old\n{END}\nafter\n");
        let new = with_figures(&page, "new\n").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}new\n{END}\nafter\n"));
        assert_eq!(with_figures(&new, "new\n").unwrap(), new);
        assert!(with_figures("nothing", "new").is_err());
    }
}
