//! States in the words of other systems.

use crate::proto::presence as proto;
use crate::quote::quoted;
use muster_presence::source::Source;
use muster_presence::{Explanation, Mapping, MappingTable, NoteParts};

/// The table of another system's words; `None` for our own.
pub(crate) fn words_table(name: &str) -> Result<Option<&'static MappingTable>, String> {
    if name.is_empty() {
        return Ok(None);
    }
    let (preset, variant) = name.split_once('/').unwrap_or((name, ""));
    let mapping = Mapping::preset(preset).ok_or_else(|| {
        let names: Vec<_> = Mapping::preset_names().collect();
        format!(
            "nothing is known of the words of {}: use {}",
            quoted(preset),
            names.join(", ")
        )
    })?;
    if variant.is_empty() {
        return Ok(Some(mapping.general()));
    }
    let known = mapping.variant(variant).ok_or_else(|| {
        let names: Vec<_> = mapping.variants().collect();
        format!(
            "{preset} has no variant {}: it has {}",
            quoted(variant),
            names.join(", ")
        )
    });
    known.map(Some)
}

/// The state of ours that another system's word stands for.
pub(crate) fn our_word(
    table: &MappingTable,
    words_of: &str,
    source: &Source,
    word: &str,
) -> Result<String, String> {
    if !matches!(source, Source::Manual | Source::App(_)) {
        return Err(format!(
            "{source} has words of its own: leave words_of empty"
        ));
    }
    let general = word.split_once('/').map(|(word, _)| word);
    let ours = table.from_peer([word].into_iter().chain(general));
    let ours = ours.ok_or_else(|| {
        let word = quoted(word);
        format!("{words_of} has no word {word} that is known here")
    })?;
    Ok(ours.word.clone())
}

pub(crate) fn elsewhere(
    table: &MappingTable,
    explanation: &Explanation,
) -> Option<proto::Elsewhere> {
    let like = explanation.like.iter().map(String::as_str);
    let mapped = table.to_peer([explanation.state.as_str()].into_iter().chain(like))?;
    let until = explanation.until.map(|until| until.to_string());
    let note = mapped.note(NoteParts {
        note: explanation.status.as_deref(),
        until: until.as_deref(),
    });
    Some(proto::Elsewhere {
        word: mapped.word.clone(),
        activity: mapped.activity.clone().unwrap_or_default(),
        note: note.unwrap_or_default(),
    })
}

#[cfg(test)]
#[path = "words_test.rs"]
mod words_test;
