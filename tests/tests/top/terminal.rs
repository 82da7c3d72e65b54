//! A program on a terminal: what it shows, and how it leaves the terminal behind.

use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use muster_testkit::{PATIENCE, Signal, signal, until};
use pty_process::Size;
use pty_process::blocking::{Command as PtyCommand, Pty};
use vt100::{Color, Parser};

/// Lines and columns of a terminal that nobody has made larger.
const SIZE: [u16; 2] = [24, 80];

/// A program that runs on a terminal of its own; killed when it is dropped.
pub(crate) struct Terminal {
    pty: Arc<Pty>,
    /// Its name, as /dev/pts/3.
    name: String,
    /// Its settings before the program began.
    settings: String,
    shown: Arc<Mutex<Parser>>,
    child: Child,
}

impl Terminal {
    /// Starts a program. The name of the terminal stands above what it prints.
    pub(crate) fn start(words: &[&str]) -> Result<Self> {
        let (pty, pts) = pty_process::blocking::open().context("opening a terminal")?;
        pty.resize(Size::new(SIZE[0], SIZE[1]))?;
        // It begins when the settings have been looked at.
        let child = PtyCommand::new("sh")
            .args(["-c", "tty; read -r begin; exec \"$@\"", "sh"])
            .args(words)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .spawn(pts)
            .context("starting a program on a terminal")?;
        let pty = Arc::new(pty);
        let [lines, columns] = SIZE.map(not_zero);
        let shown = Arc::new(Mutex::new(Parser::new(lines, columns, 0)));
        let (from, to) = (Arc::clone(&pty), Arc::clone(&shown));
        thread::spawn(move || read_on(&from, &to));
        let mut terminal = Self {
            pty,
            name: String::new(),
            settings: String::new(),
            shown,
            child,
        };
        let begun = terminal.expect("the terminal's name", |screen| screen.contains("/dev/"))?;
        terminal.name = begun.trim().to_owned();
        terminal.settings = terminal.read_settings()?;
        anyhow::ensure!(
            terminal.settings.contains(" icanon"),
            "stty says {:?}",
            terminal.settings
        );
        terminal.press("\n")?;
        Ok(terminal)
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) -> Result<()> {
        let mut pty = &*self.pty;
        pty.write_all(keys.as_bytes()).context("pressing keys")
    }

    /// Waits until the screen is as wanted, and returns it.
    pub(crate) fn expect(&self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let seen = until(what, PATIENCE, || {
            let screen = self.screen();
            Ok(wanted(&screen).then_some(screen))
        });
        seen.with_context(|| format!("the screen is\n{}", self.screen()))
    }

    /// Waits until some words are on the screen, and returns it.
    pub(crate) fn reads(&self, words: &str) -> Result<String> {
        self.expect(&format!("{words:?} on the screen"), |screen| {
            screen.contains(words)
        })
    }

    /// Makes it another size.
    pub(crate) fn resize(&self, lines: u16, columns: u16) -> Result<()> {
        let (rows, width) = (not_zero(lines), not_zero(columns));
        self.parser().screen_mut().set_size(rows, width);
        Ok(self.pty.resize(Size::new(lines, columns))?)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, by: Signal) -> Result<()> {
        signal(self.child.id(), by)
    }

    /// Waits until the program ends and returns its exit code, if the terminal is as it was before.
    pub(crate) fn end(mut self) -> Result<Option<i32>> {
        let status = until("the program ends", PATIENCE, || {
            Ok(self.child.try_wait()?)
        })?;
        self.reads(&self.name)?;
        let (alternate, hidden) = {
            let parser = self.parser();
            let screen = parser.screen();
            (screen.alternate_screen(), screen.hide_cursor())
        };
        anyhow::ensure!(!alternate, "its screen is still there");
        anyhow::ensure!(!hidden, "the cursor is hidden");
        let settings = self.read_settings()?;
        anyhow::ensure!(
            settings == self.settings,
            "the terminal was\n{}\nand is\n{settings}",
            self.settings
        );
        Ok(status.code())
    }

    pub(crate) fn screen(&self) -> String {
        self.parser().screen().contents()
    }

    /// How many places have a colour.
    pub(crate) fn colours(&self) -> usize {
        let parser = self.parser();
        let (rows, columns) = parser.screen().size();
        let places =
            (0..rows.into()).flat_map(|row| (0..columns.into()).map(move |column| (row, column)));
        let cells = places.filter_map(|(row, column)| parser.screen().cell(row, column));
        cells
            .filter(|cell| cell.fgcolor() != Color::Default || cell.bgcolor() != Color::Default)
            .count()
    }

    fn parser(&self) -> MutexGuard<'_, Parser> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_settings(&self) -> Result<String> {
        let output = Command::new("stty")
            .args(["-F", &self.name, "-a"])
            .output()
            .context("starting stty")?;
        let all = String::from_utf8_lossy(&output.stdout);
        // The first line has its size, which a test may change.
        Ok(all.split_once('\n').unwrap_or_default().1.to_owned())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

fn not_zero(size: u16) -> NonZero<u16> {
    NonZero::new(size).unwrap_or(NonZero::<u16>::MIN)
}

/// Reads what the program prints until it ends.
fn read_on(mut from: &Pty, to: &Mutex<Parser>) {
    let mut bytes = [0; 4_096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let mut parser = to.lock().unwrap_or_else(PoisonError::into_inner);
        parser.process(&bytes[..count]);
    }
}
