//! What applying one command leaves behind.

use crate::SlotEvent;
use muster_types::{Write, Writes, encode_value};
use serde::Serialize;

/// The version of every stored value of this crate.
pub(crate) const VALUE_VERSION: u8 = 1;

/// Collects the records that change and the events that follow.
pub(crate) struct Effects<'a> {
    writes: &'a mut Writes,
    pub(crate) events: Vec<SlotEvent>,
}

impl<'a> Effects<'a> {
    pub(crate) const fn new(writes: &'a mut Writes) -> Self {
        Self {
            writes,
            events: Vec::new(),
        }
    }

    pub(crate) fn put<T: Serialize>(&mut self, key: Vec<u8>, value: &T) {
        self.writes.push(Write {
            key,
            value: Some(encode_value(VALUE_VERSION, value)),
        });
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.writes.push(Write { key, value: None });
    }

    pub(crate) fn emit(&mut self, event: SlotEvent) {
        self.events.push(event);
    }
}
