//! Where the demo is shown: a picture that is drawn anew in place on a terminal, or plain lines with
//! the time in front.

use super::picture;
use super::scene::Scene;
use rustix::termios::tcgetwinsize;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use tokio::time::Instant;

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
/// Lines that are too long are cut off instead of wrapped: the picture keeps its height.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";
const CLEAR_BELOW: &str = "\x1b[J";
const CLEAR_LINE: &str = "\x1b[K";

/// Standard output.
pub(super) struct Screen {
    begun: Instant,
    /// The picture on the screen; nothing when lines are printed.
    drawn: Option<Vec<String>>,
    /// What of the timeline was printed as lines.
    told: (u32, usize),
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            drawn: can_draw().then(Vec::new),
            told: (0, 0),
        }
    }

    /// Says something that stays.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        let mut out = String::new();
        match &mut self.drawn {
            Some(drawn) => {
                rise(drawn.len(), &mut out);
                out += CLEAR_BELOW;
                drawn.clear();
                out += text;
                out.push('\n');
            }
            None => {
                for line in text.lines() {
                    self.line(line, &mut out);
                }
            }
        }
        put(&out)
    }

    /// Shows how things are now.
    pub(super) fn show(&mut self, scene: &Scene) -> io::Result<()> {
        let mut out = String::new();
        if let Some(drawn) = &mut self.drawn {
            let lines = picture::lines(scene, self.begun.elapsed());
            out += HIDE_CURSOR;
            out += NO_WRAP;
            rise(drawn.len(), &mut out);
            for (number, line) in lines.iter().enumerate() {
                // What is there already is passed over: nothing flickers.
                if drawn.get(number) != Some(line) {
                    out += line;
                    out += CLEAR_LINE;
                }
                out.push('\n');
            }
            out += CLEAR_BELOW;
            out += WRAP;
            *drawn = lines;
        } else {
            if self.told.0 != scene.round.number {
                self.told = (scene.round.number, 0);
            }
            let news = &scene.round.timeline[self.told.1..];
            for (since, what) in news {
                self.line(
                    &format!("  {:6.2} s  {what}", since.as_secs_f64()),
                    &mut out,
                );
            }
            self.told.1 = scene.round.timeline.len();
        }
        put(&out)
    }

    fn line(&self, text: &str, out: &mut String) {
        let seconds = self.begun.elapsed().as_secs_f64();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "[{seconds:6.2} s] {text}");
    }
}

impl Drop for Screen {
    /// Leaves the terminal as it was, with the last picture above.
    fn drop(&mut self) {
        if self.drawn.is_some() {
            // There is nobody left to tell.
            let _ = put(&format!("{WRAP}{SHOW_CURSOR}"));
        }
    }
}

/// A terminal that knows escape codes, which nobody has asked to keep quiet, and that is high enough.
fn can_draw() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let out = io::stdout();
    out.is_terminal()
        && !dumb
        && !set("NO_COLOR")
        && tcgetwinsize(&out).is_ok_and(|size| usize::from(size.ws_row) > picture::HEIGHT)
}

fn rise(height: usize, out: &mut String) {
    if height > 0 {
        let _ = write!(out, "\x1b[{height}A\r");
    }
}

fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
