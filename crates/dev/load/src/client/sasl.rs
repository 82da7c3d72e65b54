//! Choosing a SASL mechanism and going through its exchange: RFC 6120 §6.

use std::sync::{Arc, Mutex};

use base64::{Engine, prelude::BASE64_STANDARD};
use muster_stanza::{Element, Writer, ns};
use tokio::sync::Semaphore;

use super::error::{SessionError, condition};
use super::scram::{Challenge, Hash, Keys, Scram};
use super::wire::Wire;
use crate::users::User;

/// Bytes of the client's nonce, before base64.
const NONCE_BYTES: usize = 18;

/// Which mechanism to use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Auth {
    /// The best one that the server offers.
    Best,
    ScramSha256,
    ScramSha1,
    Plain,
}

/// The keys of one account, kept from one login to the next.
#[derive(Default)]
pub(crate) struct KeyCache(Mutex<Option<Arc<Keys>>>);

/// Who logs in, and how.
pub(crate) struct Credentials<'a> {
    pub(crate) user: &'a User,
    pub(crate) keys: &'a KeyCache,
    pub(crate) auth: Auth,
    /// How many passwords may be stretched at once.
    pub(crate) stretching: &'a Semaphore,
}

/// A mechanism as this client knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mechanism {
    Scram(Hash),
    Plain,
}

/// What is tried, the best first.
const MECHANISMS: [(Auth, Mechanism, &str); 3] = [
    (
        Auth::ScramSha256,
        Mechanism::Scram(Hash::Sha256),
        "SCRAM-SHA-256",
    ),
    (Auth::ScramSha1, Mechanism::Scram(Hash::Sha1), "SCRAM-SHA-1"),
    (Auth::Plain, Mechanism::Plain, "PLAIN"),
];

/// The mechanism to use, by what was asked for and what is offered.
fn choose(auth: Auth, offered: &[String]) -> Result<(Mechanism, &'static str), SessionError> {
    MECHANISMS
        .iter()
        .filter(|(name, _, _)| auth == Auth::Best || auth == *name)
        .find(|(_, _, name)| offered.iter().any(|offer| offer == name))
        .map(|(_, mechanism, name)| (*mechanism, *name))
        .ok_or_else(|| SessionError::NotOffered {
            wanted: MECHANISMS
                .iter()
                .find(|(name, _, _)| *name == auth)
                .map_or("a known mechanism", |(_, _, name)| name),
            offered: offered.join(" "),
        })
}

/// Proves who the user is.
///
/// # Errors
/// When the server refuses, or does not prove that it is the server.
pub(super) async fn authenticate(
    wire: &mut Wire,
    features: &Element,
    credentials: &Credentials<'_>,
) -> Result<(), SessionError> {
    let list = features.child("mechanisms", ns::SASL);
    let offered: Vec<_> = list
        .iter()
        .flat_map(|list| list.children())
        .map(|mechanism| mechanism.text())
        .collect();
    let (mechanism, name) = choose(credentials.auth, &offered)?;
    let node = credentials.user.jid.node().map_or("", |node| node.as_str());
    match mechanism {
        Mechanism::Plain => {
            let initial = format!("\0{node}\0{}", credentials.user.password);
            say(wire, "auth", Some(name), initial.as_bytes())?;
            answer(wire, "success").await.map(drop)
        }
        Mechanism::Scram(hash) => {
            let scram = Scram::new(hash, node, &nonce()?);
            say(wire, "auth", Some(name), scram.first().as_bytes())?;
            let challenge = scram.challenge(&answer(wire, "challenge").await?)?;
            let keys = keys(credentials, hash, &challenge).await?;
            let proof = scram.prove(&challenge, &keys);
            say(wire, "response", None, proof.message.as_bytes())?;
            Ok(proof.verify(&answer(wire, "success").await?)?)
        }
    }
}

/// The account's keys for this challenge: kept from the last login, or derived off the event loop.
async fn keys(
    credentials: &Credentials<'_>,
    hash: Hash,
    challenge: &Challenge,
) -> Result<Arc<Keys>, SessionError> {
    let held = credentials.keys.held();
    if let Some(keys) = held.filter(|keys| keys.fit(hash, challenge)) {
        return Ok(keys);
    }
    let _permit = credentials.stretching.acquire().await;
    let (password, challenge) = (credentials.user.password.clone(), challenge.clone());
    let work = move || Keys::derive(hash, &password, &challenge.salt, challenge.iterations);
    let keys = tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| SessionError::Closed)?;
    let keys = Arc::new(keys);
    credentials.keys.hold(&keys);
    Ok(keys)
}

impl KeyCache {
    fn held(&self) -> Option<Arc<Keys>> {
        self.0.lock().ok().and_then(|keys| keys.clone())
    }

    fn hold(&self, keys: &Arc<Keys>) {
        if let Ok(mut held) = self.0.lock() {
            *held = Some(Arc::clone(keys));
        }
    }
}

fn nonce() -> Result<String, SessionError> {
    let mut bytes = [0; NONCE_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| SessionError::Random)?;
    Ok(BASE64_STANDARD.encode(bytes))
}

/// Writes a SASL element.
fn say(
    wire: &mut Wire,
    name: &str,
    mechanism: Option<&str>,
    data: &[u8],
) -> Result<(), SessionError> {
    let mut out = Writer::new();
    out.start(name)
        .attr("xmlns", ns::SASL)
        .attr_opt("mechanism", mechanism);
    out.text(&BASE64_STANDARD.encode(data));
    wire.queue(&out.finish())
}

/// The data of the SASL element that must come next.
async fn answer(wire: &mut Wire, wanted: &'static str) -> Result<Vec<u8>, SessionError> {
    let element = wire.element().await?;
    if element.is("failure", ns::SASL) {
        return Err(SessionError::Refused(condition(element.children())));
    }
    if !element.is(wanted, ns::SASL) {
        return Err(SessionError::unexpected(wanted, &element));
    }
    let text = element.text();
    let data = if text == "=" { "" } else { text.trim() };
    BASE64_STANDARD
        .decode(data)
        .map_err(|_| SessionError::Unexpected {
            wanted: "base64",
            found: "something else".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_offered_mechanism_is_used_unless_one_is_asked_for() {
        let all = [
            "PLAIN",
            "SCRAM-SHA-1",
            "SCRAM-SHA-256-PLUS",
            "SCRAM-SHA-256",
        ];
        for (auth, offered, chosen) in [
            (Auth::Best, &all[..], Some("SCRAM-SHA-256")),
            (Auth::Best, &all[..2], Some("SCRAM-SHA-1")),
            (Auth::Best, &all[..1], Some("PLAIN")),
            (Auth::Best, &["EXTERNAL"], None),
            (Auth::Plain, &all, Some("PLAIN")),
            (Auth::ScramSha1, &all, Some("SCRAM-SHA-1")),
            (Auth::ScramSha256, &all[..2], None),
        ] {
            let offered: Vec<_> = offered.iter().map(|name| (*name).to_owned()).collect();
            let found = choose(auth, &offered).ok().map(|(_, name)| name);
            assert_eq!(found, chosen, "{auth:?} of {offered:?}");
        }
    }
}
