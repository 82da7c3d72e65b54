//! The manual: a page for a program and one for each of its commands, as git has them. Everything in them is what the
//! command line says of itself.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// The name in the foot of each page.
const MANUAL: &str = "Muster Manual";
/// The title that ends the text after the help, and what is below it.
const EXIT_CODES: &str = "Exit codes:";

/// Writes all pages of `program` into `folder`, which is made if it is not there.
///
/// # Errors
/// What the system says when the folder or a page cannot be written.
pub fn write(program: Command, section: &str, folder: &Path) -> io::Result<()> {
    let release = format!("Muster {}", env!("CARGO_PKG_VERSION"));
    fs::create_dir_all(folder)?;
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let page = Page {
        section,
        release: &release,
        after: program.get_after_help().map(ToString::to_string),
    };
    page.write(&program, None, folder)
}

/// What all pages of a program share.
struct Page<'a> {
    section: &'a str,
    release: &'a str,
    /// The text after the help of the program.
    after: Option<String>,
}

impl Page<'_> {
    fn write(&self, command: &Command, parent: Option<&str>, folder: &Path) -> io::Result<()> {
        let name = name(command).to_owned();
        for below in visible(command) {
            self.write(below, Some(&name), folder)?;
        }
        let mut page = File::create(folder.join(format!("{name}.{}", self.section)))?;
        let man = Man::new(self.with_usage(command))
            .section(self.section)
            .source(self.release)
            .manual(MANUAL);
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        if command
            .get_arguments()
            .any(|argument| !argument.is_hide_set())
        {
            man.render_options_section(&mut page)?;
        }
        if visible(command).next().is_some() {
            man.render_subcommands_section(&mut page)?;
        }
        let mut end = Roff::new();
        self.exit_codes(&mut end);
        self.see_also(&mut end, command, parent);
        end.to_writer(&mut page)
    }

    /// The command with the usage that `--help` prints, and without a full stop after what `apropos` shows.
    fn with_usage(&self, command: &Command) -> Command {
        let mut command = command.clone();
        let usage = command.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage:").trim().to_owned();
        command.override_usage(usage)
    }

    /// Each code with its meaning.
    fn exit_codes(&self, page: &mut Roff) {
        let text = self.after.as_deref().unwrap_or_default();
        let Some((_, codes)) = text.split_once(EXIT_CODES) else {
            return;
        };
        page.control("SH", ["EXIT STATUS"]);
        for line in codes.trim().lines() {
            let (code, meaning) = line.trim().split_once(' ').unwrap_or((line, ""));
            page.control("TP", []);
            page.text([bold(code)]);
            page.text([roman(meaning.trim())]);
        }
    }

    /// The page above and, on the first one, those of other parts of Muster.
    fn see_also(&self, page: &mut Roff, command: &Command, parent: Option<&str>) {
        let above = parent.map(|parent| (parent, self.section));
        let others = [("musterd", "8"), ("musterctl", "1"), ("musterd.toml", "5")];
        let mut pages: Vec<_> = above.into_iter().collect();
        for other in others {
            if other.0 != name(command) && !pages.contains(&other) {
                pages.push(other);
            }
        }
        page.control("SH", ["SEE ALSO"]);
        let count = pages.len();
        for (number, (name, section)) in (1..).zip(pages) {
            let mark = if number < count { ")," } else { ")" };
            page.text([bold(name), roman(format!("({section}{mark}"))]);
        }
    }
}

/// The name of a command's page: `musterctl-group-create`.
fn name(command: &Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
}
