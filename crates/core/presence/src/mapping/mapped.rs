//! The right side of a row.

use super::template::{NoteParts, Template, TemplateError};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// What a state is called on the other side: the peer's words for one of ours, or our state for
/// one of theirs.
#[derive(Clone, PartialEq, Debug)]
pub struct Mapped {
    /// The word: XMPP's show, PIDF's basic status, Lync's number, Graph's availability; towards us
    /// the name of our state.
    pub word: String,
    /// What is said beside it: an RPID activity, Graph's activity; towards us `idle` where the
    /// peer tells that nobody is at the device.
    pub activity: Option<String>,
    /// How the peer lets it be set, where there is more than one way.
    pub set_as: Vec<SetAs>,
    notes: Vec<Template>,
}

/// How Graph lets a presence be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetAs {
    /// As one session of an application (`setPresence`).
    Session,
    /// As the user's own choice (`setUserPreferredPresence`).
    Preferred,
}

/// A right side as it is written when it is more than a word.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MappedText {
    word: String,
    note: Option<Vec<String>>,
    #[serde(default)]
    set_as: Vec<SetAs>,
}

/// Why a right side was refused.
#[derive(Debug, thiserror::Error)]
enum MappedError {
    #[error("{0:?} is no word: write \"word\" or \"word/activity\" without spaces around them")]
    Word(String),
    #[error(transparent)]
    Note(#[from] TemplateError),
}

impl Mapped {
    /// The note that goes with it: of the row's templates the first whose parts are all given.
    pub fn note(&self, parts: NoteParts<'_>) -> Option<String> {
        self.notes.iter().find_map(|template| template.fill(parts))
    }
}

impl TryFrom<MappedText> for Mapped {
    type Error = MappedError;

    fn try_from(text: MappedText) -> Result<Self, MappedError> {
        let Some((word, activity)) = split(&text.word) else {
            return Err(MappedError::Word(text.word));
        };
        let notes = match text.note {
            Some(notes) => notes.iter().map(|note| Template::parse(note)).collect(),
            None => Ok(vec![Template::own()]),
        };
        Ok(Self {
            word: word.to_owned(),
            activity: activity.map(str::to_owned),
            set_as: text.set_as,
            notes: notes?,
        })
    }
}

/// Takes `word` or `word/activity` apart; `None` when either is empty or has spaces around it.
pub(super) fn split(text: &str) -> Option<(&str, Option<&str>)> {
    let whole = |word: &str| !word.is_empty() && word.trim() == word;
    match text.split_once('/') {
        Some((word, activity)) => {
            (whole(word) && whole(activity)).then_some((word, Some(activity)))
        }
        None => whole(text).then_some((text, None)),
    }
}

/// By hand, because an untagged enum would tell nobody which key is wrong.
impl<'de> Deserialize<'de> for Mapped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RightSide)
    }
}

struct RightSide;

impl<'de> Visitor<'de> for RightSide {
    type Value = Mapped;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word, or { word = \"...\", note = [\"...\"] }")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Mapped, E> {
        let text = MappedText {
            word: word.to_owned(),
            note: None,
            set_as: Vec::new(),
        };
        Mapped::try_from(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Mapped, A::Error> {
        let text = MappedText::deserialize(MapAccessDeserializer::new(map))?;
        Mapped::try_from(text).map_err(A::Error::custom)
    }
}
