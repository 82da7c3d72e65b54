//! Notes with holes in them.

/// What the holes of a note are filled with. The caller has the clock and knows the language.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NoteParts<'a> {
    /// The user's own note.
    pub note: Option<&'a str>,
    /// Until when the state lasts, as people read it.
    pub until: Option<&'a str>,
}

/// A note with holes.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, PartialEq, Debug)]
enum Piece {
    Text(String),
    Note,
    Until,
}

/// Why a template was refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum TemplateError {
    #[error("a note is empty: leave it out")]
    Empty,
    #[error("the note {0:?} has a brace without its other half")]
    Brace(String),
    #[error("nothing fills {{{0}}} in a note: there are {{note}} and {{until}}")]
    Hole(String),
}

impl Template {
    /// The user's own note as it is.
    pub(super) fn own() -> Self {
        Self(vec![Piece::Note])
    }

    /// Reads a template.
    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.trim().is_empty() {
            return Err(TemplateError::Empty);
        }
        let brace = || TemplateError::Brace(text.to_owned());
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (hole, behind) = after.split_once('}').ok_or_else(brace)?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(match hole {
                "note" => Piece::Note,
                "until" => Piece::Until,
                _ => return Err(TemplateError::Hole(hole.to_owned())),
            });
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let stray = |piece: &Piece| matches!(piece, Piece::Text(text) if text.contains('}'));
        match pieces.iter().any(stray) {
            true => Err(brace()),
            false => Ok(Self(pieces)),
        }
    }

    /// The note; `None` when something that it needs is not given or blank.
    pub(super) fn fill(&self, parts: NoteParts<'_>) -> Option<String> {
        let mut filled = String::new();
        for piece in &self.0 {
            filled.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Note => given(parts.note)?,
                Piece::Until => given(parts.until)?,
            });
        }
        Some(filled)
    }
}

/// A blank part is not given.
fn given(part: Option<&str>) -> Option<&str> {
    part.filter(|text| !text.trim().is_empty())
}
