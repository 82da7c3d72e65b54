//! Programs with tokens.

use super::{Applied, Draft};
use crate::records::Table;
use crate::{
    API_CLIENT_DOMAINS_MAX, API_CLIENTS_MAX, ApiClient, ControlEvent, ControlOutcome, Refusal,
    TokenHash, check_name,
};

impl Draft {
    pub(super) fn api_client_create(&mut self, name: String, client: ApiClient) -> Applied {
        check_name(&name)?;
        if self.state.api_clients.contains_key(&name) {
            return Err(Refusal::ApiClientExists { name });
        }
        self.is_new_token(client.hash)?;
        if let Some(domain) = client.domains.iter().find(|name| !self.state.hosts(name)) {
            return Err(Refusal::NoSuchDomain {
                domain: domain.clone(),
            });
        }
        for (what, count, limit) in [
            (
                "API clients",
                self.state.api_clients.len() + 1,
                API_CLIENTS_MAX,
            ),
            (
                "domains of one API client",
                client.domains.len(),
                API_CLIENT_DOMAINS_MAX,
            ),
        ] {
            if count > limit {
                let what = what.to_owned();
                return Err(Refusal::TooMany { what, limit });
            }
        }
        self.put_api_client(name, client, "added");
        Ok(ControlOutcome::Done)
    }

    pub(super) fn api_client_rotate(&mut self, name: String, hash: TokenHash) -> Applied {
        self.is_new_token(hash)?;
        let client = self.api_client(&name)?;
        self.state.api_client_names.remove(&client.hash);
        self.put_api_client(name, ApiClient { hash, ..client }, "changed");
        Ok(ControlOutcome::Done)
    }

    /// A domain is hosted no more. If it is again one day it is somebody else's: no token may speak for it, and
    /// one that speaks for nothing else goes.
    pub(super) fn api_clients_lose(&mut self, domain: &str) {
        let all = self.state.api_clients.iter();
        let losing = all.filter(|(_, client)| client.domains.contains(domain));
        let losing: Vec<_> = losing
            .map(|(name, client)| (name.clone(), client.clone()))
            .collect();
        for (name, mut client) in losing {
            client.domains.remove(domain);
            if client.domains.is_empty() {
                self.drop_api_client(name, &client);
            } else {
                self.put_api_client(name, client, "changed");
            }
        }
    }

    pub(super) fn api_client_remove(&mut self, name: String) -> Applied {
        let client = self.api_client(&name)?;
        self.drop_api_client(name, &client);
        Ok(ControlOutcome::Done)
    }

    fn drop_api_client(&mut self, name: String, client: &ApiClient) {
        self.state.api_client_names.remove(&client.hash);
        self.state.api_clients.remove(&name);
        self.writes.push(Table::ApiClient.remove(name.as_bytes()));
        let change = "removed";
        self.events
            .push(ControlEvent::ApiClientChanged { name, change });
    }

    fn api_client(&self, name: &str) -> Result<ApiClient, Refusal> {
        let client = self.state.api_clients.get(name).cloned();
        client.ok_or_else(|| Refusal::NoSuchApiClient {
            name: name.to_owned(),
        })
    }

    fn is_new_token(&self, hash: TokenHash) -> Result<(), Refusal> {
        match self.state.api_client_names.contains_key(&hash) {
            true => Err(Refusal::TokenExists),
            false => Ok(()),
        }
    }

    fn put_api_client(&mut self, name: String, client: ApiClient, change: &'static str) {
        self.writes
            .push(Table::ApiClient.put(name.as_bytes(), &client));
        self.state
            .api_client_names
            .insert(client.hash, name.clone());
        self.state.api_clients.insert(name.clone(), client);
        self.events
            .push(ControlEvent::ApiClientChanged { name, change });
    }
}
