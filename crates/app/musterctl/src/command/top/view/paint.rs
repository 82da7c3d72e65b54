//! Colours and emphasis. They repeat what words say already, never more.

use ratatui::style::{Color, Modifier, Style};
use std::env;

/// Whether there are colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::command::top) struct Paint {
    colours: bool,
}

impl Paint {
    /// None if the user wants none (<https://no-color.org>).
    pub(in crate::command::top) fn of_environment() -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: !unwanted }
    }

    /// What is as it should be.
    pub(super) fn good(self) -> Style {
        self.colour(Color::Green)
    }

    /// What passes, or is not quite as it should be.
    pub(super) fn fair(self) -> Style {
        self.colour(Color::Yellow)
    }

    /// What wants somebody to act.
    pub(super) fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// What must not be overlooked.
    pub(super) fn loud(self) -> Style {
        self.bad().add_modifier(Modifier::REVERSED)
    }

    /// What stands out: headers and keys.
    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn colour(self, colour: Color) -> Style {
        if self.colours {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    #[cfg(test)]
    pub(in crate::command::top) fn plain() -> Self {
        Self { colours: false }
    }

    #[cfg(test)]
    pub(in crate::command::top) fn coloured() -> Self {
        Self { colours: true }
    }
}
