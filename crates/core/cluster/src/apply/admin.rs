//! Domains, settings, join tokens.

use super::{Applied, Draft};
use crate::records::Table;
use crate::{
    ControlEvent, ControlOutcome, DOMAINS_MAX, Domain, JoinToken, PresenceRules, Refusal, Role,
    Setting, TOKENS_MAX, TokenHash,
};
use muster_presence::rules::RULES_BYTES_MAX;
use muster_types::{DomainPart, Timestamp};

impl Draft {
    pub(super) fn domain_add(&mut self, domain: DomainPart) -> Applied {
        let domain = domain.into_inner();
        if self.state.hosts(&domain) {
            return Err(Refusal::DomainExists { domain });
        }
        if self.state.domains.len() >= DOMAINS_MAX {
            return Err(Refusal::TooMany {
                what: "domains".to_owned(),
                limit: DOMAINS_MAX,
            });
        }
        self.writes
            .push(Table::Domain.put(domain.as_bytes(), &Domain {}));
        self.state.domains.insert(domain.clone(), Domain {});
        self.events.push(ControlEvent::DomainAdded(domain));
        Ok(ControlOutcome::Done)
    }

    pub(super) fn domain_remove(&mut self, domain: DomainPart) -> Applied {
        let domain = domain.into_inner();
        if !self.state.hosts(&domain) {
            return Err(Refusal::NoSuchDomain { domain });
        }
        let accounts = self.state.domain_accounts(&domain);
        if accounts > 0 {
            return Err(Refusal::DomainHasAccounts { domain, accounts });
        }
        self.writes.push(Table::Domain.remove(domain.as_bytes()));
        self.state.domains.remove(&domain);
        self.api_clients_lose(&domain);
        self.events.push(ControlEvent::DomainRemoved(domain));
        Ok(ControlOutcome::Done)
    }

    pub(super) fn settings_set(&mut self, changes: Vec<Setting>) -> Applied {
        let mut settings = self.state.settings.clone();
        for change in changes {
            settings.change(change)?;
        }
        if settings != self.state.settings {
            self.writes.push(Table::Settings.put(&[], &settings));
            self.state.settings = settings;
            self.events.push(ControlEvent::SettingsChanged);
        }
        Ok(ControlOutcome::Done)
    }

    pub(super) fn presence_rules_set(&mut self, text: Option<String>) -> Applied {
        if text
            .as_ref()
            .is_some_and(|text| text.len() > RULES_BYTES_MAX)
        {
            return Err(Refusal::TooMany {
                what: "bytes of presence rules".to_owned(),
                limit: RULES_BYTES_MAX,
            });
        }
        let rules = PresenceRules::of(text);
        if rules != self.state.presence_rules {
            self.writes.push(match rules.text() {
                Some(text) => Table::PresenceRules.put(&[], &text),
                None => Table::PresenceRules.remove(&[]),
            });
            self.state.presence_rules = rules;
            self.events.push(ControlEvent::SettingsChanged);
        }
        Ok(ControlOutcome::Done)
    }

    pub(super) fn token_create(
        &mut self,
        hash: TokenHash,
        role: Role,
        expires: Timestamp,
    ) -> Applied {
        if self.state.tokens.contains_key(&hash) {
            return Err(Refusal::TokenExists);
        }
        if self.state.tokens.len() >= TOKENS_MAX {
            self.forget_dead_tokens();
        }
        if self.state.tokens.len() >= TOKENS_MAX {
            return Err(Refusal::TooMany {
                what: "join tokens".to_owned(),
                limit: TOKENS_MAX,
            });
        }
        self.put_token(
            hash,
            JoinToken {
                role,
                expires,
                used_by: None,
            },
        );
        Ok(ControlOutcome::Done)
    }

    pub(super) fn token_remove(&mut self, hash: TokenHash) -> Applied {
        self.state
            .tokens
            .remove(&hash)
            .ok_or(Refusal::UnknownToken)?;
        self.writes.push(Table::Token.remove(&hash.0));
        Ok(ControlOutcome::Done)
    }

    /// Used and expired tokens are kept, to say so when they are shown, until room is needed.
    fn forget_dead_tokens(&mut self) {
        let dead = |token: &JoinToken| token.used_by.is_some() || token.expires < self.at;
        let hashes: Vec<_> = self
            .state
            .tokens()
            .filter(|(_, token)| dead(token))
            .map(|(hash, _)| *hash)
            .collect();
        for hash in hashes {
            self.state.tokens.remove(&hash);
            self.writes.push(Table::Token.remove(&hash.0));
        }
    }

    pub(super) fn put_token(&mut self, hash: TokenHash, token: JoinToken) {
        self.writes.push(Table::Token.put(&hash.0, &token));
        self.state.tokens.insert(hash, token);
    }
}
