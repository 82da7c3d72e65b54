//! What `?` shows.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

/// As long as a screen of 80x24 has room for it.
const WORDS: &str = "\
q, Esc       quit; Ctrl-C too
j, k, arrows select a node: f and b are about it
f            move its users to its peer
b            bring them home; for a backup, those of its peer
             Both ask first and name the command that does the same.
Enter        takes the answer away

NODES     as the node that is asked sees them, states as in
          docs/ha-states.md; its line below says what to do
SESSIONS  of nodes named with --address; - is not asked
WRITES/S  entries of the users' log: what must last
GO HOME   when, and what else is waited for; a gap between the
          two nodes begins the time again
ALARM     of all nodes that answer: docs/alarms.md
stale     was so when somebody answered last";

/// Draws it over everything.
pub(super) fn draw(frame: &mut Frame<'_>) {
    let text = Text::from(WORDS.lines().map(Line::raw).collect::<Vec<_>>());
    let (width, height) = (text.width() + 4, text.height() + 2);
    let within = |wanted: usize| Constraint::Max(u16::try_from(wanted).unwrap_or(u16::MAX));
    let room: Rect = frame.area().centered(within(width), within(height));
    let words = Paragraph::new(text).wrap(Wrap { trim: false });
    frame.render_widget(Clear, room);
    let block = Block::bordered().title(" musterctl top ");
    frame.render_widget(words.block(block), room);
}
