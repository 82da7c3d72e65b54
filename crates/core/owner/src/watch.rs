//! Nodes ask to see contacts for their watchers.

use crate::answers::Answers;
use crate::cx::Cx;
use crate::serving::Serving;
use muster_envelope::WatchRequest;
use muster_types::{BareJid, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The watchers of one contact that get an answer.
#[derive(Default)]
struct Answer {
    /// They were shown nothing so far.
    fresh: Vec<Arc<BareJid>>,
    /// They were shown something that is not current.
    behind: Vec<Arc<BareJid>>,
}

impl Serving {
    /// Notes the watchers and answers what is newer than they know. A watcher without permission
    /// gets no answer, unless its node still shows it something: that is taken back.
    pub(crate) fn on_watch(&mut self, cx: &mut Cx<'_>, from: NodeId, requests: Vec<WatchRequest>) {
        let mut answers: BTreeMap<BareJid, Answer> = BTreeMap::new();
        for WatchRequest {
            contact,
            watcher,
            known,
            temporary,
        } in requests
        {
            let watcher = self.sight.watchers.add(&contact, from, &watcher);
            self.sight
                .temporary
                .note(&contact, from, &watcher, temporary);
            if !self.sight.sees(cx, &contact, from, &watcher) {
                if known.is_some() {
                    self.sight.hide(cx, &contact, from, &watcher);
                }
                continue;
            }
            let current = self
                .sight
                .presentity(&contact)
                .map(|presentity| presentity.version());
            match known {
                None => answers.entry(contact).or_default().fresh.push(watcher),
                Some(known) if current == Some(known) => (),
                Some(_) => {
                    if !self.picture.is_certain() {
                        self.picture.owe(contact.clone(), from, (*watcher).clone());
                    }
                    if !self.picture.will_show(&contact) {
                        answers.entry(contact).or_default().behind.push(watcher);
                    }
                }
            }
        }
        let mut said = Answers::default();
        for (contact, Answer { fresh, behind }) in answers {
            if self.sight.is_seen(&contact) {
                // Complete: whatever the node is shown of it while it waits comes from this owner.
                said.add(cx, from, self.sight.answer(&contact, fresh, true));
            }
            if !behind.is_empty() {
                // Newer than any news that is on its way to the node, or it would be dropped.
                // While it is not certain that we know every client, nothing is said to have gone.
                self.sight.presentity_mut(&contact).touch();
                let full = self.picture.is_certain();
                said.add(cx, from, self.sight.answer(&contact, behind, full));
            }
        }
        said.finish(cx);
    }

    pub(crate) fn on_unwatch(&mut self, contact: &BareJid, node: NodeId, watcher: &BareJid) {
        self.sight.watchers.remove(contact, node, watcher);
        self.sight.temporary.remove(contact, node, watcher);
    }
}
