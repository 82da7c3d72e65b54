//! What keys mean.

use super::orders::Deed;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// A page of nodes.
const PAGE: isize = 10;

/// A key, by its meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    /// Ends it, whatever is asked.
    Quit,
    /// Ends what is asked, else `top`.
    Leave,
    /// Selects another node, so many further down.
    Select(isize),
    /// Asks whether to do it for the selected node.
    Order(Deed),
    Yes,
    Help,
    /// Means nothing.
    Other,
}

/// The meaning of a key; nothing when it is let go.
pub(super) fn read(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let is_control = event.modifiers.contains(KeyModifiers::CONTROL);
    Some(match event.code {
        KeyCode::Char('c' | 'd') if is_control => Key::Quit,
        _ if is_control => Key::Other,
        KeyCode::Char('q') | KeyCode::Esc => Key::Leave,
        KeyCode::Up | KeyCode::Char('k') => Key::Select(-1),
        KeyCode::Down | KeyCode::Char('j') => Key::Select(1),
        KeyCode::PageUp => Key::Select(-PAGE),
        KeyCode::PageDown => Key::Select(PAGE),
        KeyCode::Home => Key::Select(isize::MIN),
        KeyCode::End => Key::Select(isize::MAX),
        KeyCode::Char('f') => Key::Order(Deed::Failover),
        KeyCode::Char('b') => Key::Order(Deed::Fallback),
        KeyCode::Char('y') => Key::Yes,
        KeyCode::Char('?' | 'h') => Key::Help,
        _ => Key::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_meaning_that_the_help_says() {
        let plain = KeyModifiers::NONE;
        for (code, modifiers, meaning) in [
            (KeyCode::Char('q'), plain, Key::Leave),
            (KeyCode::Esc, plain, Key::Leave),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, Key::Quit),
            (KeyCode::Char('f'), KeyModifiers::CONTROL, Key::Other),
            (KeyCode::Up, plain, Key::Select(-1)),
            (KeyCode::Char('k'), plain, Key::Select(-1)),
            (KeyCode::Down, plain, Key::Select(1)),
            (KeyCode::Char('j'), plain, Key::Select(1)),
            (KeyCode::Char('f'), plain, Key::Order(Deed::Failover)),
            (KeyCode::Char('b'), plain, Key::Order(Deed::Fallback)),
            (KeyCode::Char('y'), plain, Key::Yes),
            (KeyCode::Char('?'), KeyModifiers::SHIFT, Key::Help),
            (KeyCode::Enter, plain, Key::Other),
        ] {
            let event = KeyEvent::new(code, modifiers);
            assert_eq!(read(event), Some(meaning), "{code:?}");
        }
        let mut event = KeyEvent::new(KeyCode::Char('f'), plain);
        event.kind = KeyEventKind::Release;
        assert_eq!(read(event), None);
    }
}
