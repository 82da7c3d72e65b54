//! SCRAM, the server's side (RFC 5802, RFC 7677), with channel binding.
//!
//! ```text
//! C: flag,[a=authzid],n=name,r=nonce        S: r=nonce+ours,s=salt,i=iterations
//! C: c=binding,r=nonce+ours,p=proof         S: success v=signature | failure
//! ```

use crate::account::Claim;
use crate::exchange::Context;
use crate::scram_message::{BindingFlag, ClientFinal, ClientFirst};
use crate::{Failure, Lookup, SaslCondition, ScramHash, Step};
use base64::{Engine, prelude::BASE64_STANDARD};
use muster_types::BareJid;
use std::fmt;
use subtle::ConstantTimeEq;

pub(crate) struct Scram {
    hash: ScramHash,
    /// Whether the mechanism's name ends in -PLUS.
    plus: bool,
    context: Context,
    state: State,
}

enum State {
    AwaitFirst,
    AwaitAccount {
        first: ClientFirst,
        account: BareJid,
        binding: Vec<u8>,
    },
    AwaitFinal(AwaitFinal),
    Over,
}

/// What the client's last message is checked against.
struct AwaitFinal {
    claim: Claim,
    /// What `c=` must hold: the first message's header and the channel binding data.
    binding: Vec<u8>,
    /// What `r=` must be.
    nonce: String,
    /// The first two messages as RFC 5802 §3 joins them: `AuthMessage` up to its second comma.
    transcript: String,
}

impl Scram {
    pub(crate) const fn new(hash: ScramHash, plus: bool, context: Context) -> Self {
        Self {
            hash,
            plus,
            context,
            state: State::AwaitFirst,
        }
    }

    pub(crate) fn respond(&mut self, response: &[u8]) -> Step {
        let step = match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitFirst => self.on_first(response),
            State::AwaitFinal(awaited) => self.on_final(awaited, response),
            State::AwaitAccount { .. } | State::Over => Err(MALFORMED),
        };
        step.unwrap_or_else(Step::Failure)
    }

    pub(crate) fn provide(&mut self, lookup: Lookup) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitAccount {
                first,
                account,
                binding,
            } => match Claim::of_lookup(&self.context.decoy, account, lookup) {
                Ok(claim) => self.challenge(&first, claim, binding),
                Err(failure) => Step::Failure(failure),
            },
            State::AwaitFirst | State::AwaitFinal(_) | State::Over => Step::Failure(MALFORMED),
        }
    }

    fn on_first(&mut self, response: &[u8]) -> Result<Step, Failure> {
        let first = ClientFirst::parse(response).ok_or(MALFORMED)?;
        let mut binding = first.header.clone().into_bytes();
        binding.extend_from_slice(self.binding_data(&first.flag)?);
        let account = self.context.account(&first.name);
        if first
            .authzid
            .as_deref()
            .is_some_and(|id| !Context::may_act_as(account.as_ref(), id))
        {
            return Err(Failure::new(SaslCondition::InvalidAuthzid));
        }
        Ok(match account {
            Some(account) => {
                self.state = State::AwaitAccount {
                    first,
                    account: account.clone(),
                    binding,
                };
                Step::NeedAccount(account)
            }
            None => {
                let claim = Claim::of_nobody(&self.context.decoy, &first.name);
                self.challenge(&first, claim, binding)
            }
        })
    }

    /// The channel binding data that the client must prove to know (RFC 5802 §6).
    fn binding_data(&self, flag: &BindingFlag) -> Result<&[u8], Failure> {
        let refuse = |text| Err(Failure::with_text(SaslCondition::NotAuthorized, text));
        match (flag, self.plus) {
            (BindingFlag::Used(name), true) => match self.context.bindings.data(name) {
                Some(data) => Ok(data),
                None => refuse("this type of channel binding is not available"),
            },
            (BindingFlag::Used(_), false)
            | (BindingFlag::Unsupported | BindingFlag::NotOffered, true) => Err(MALFORMED),
            // The client could have bound, and believes that we could not: somebody between us
            // took the -PLUS mechanisms out of our offer.
            (BindingFlag::NotOffered, false) if self.context.plus_offered => {
                refuse("channel binding was offered but did not reach the client")
            }
            (BindingFlag::NotOffered | BindingFlag::Unsupported, false) => Ok(&[]),
        }
    }

    fn challenge(&mut self, first: &ClientFirst, claim: Claim, binding: Vec<u8>) -> Step {
        let verifier = claim.verifiers.of(self.hash);
        let nonce = format!("{}{}", first.nonce, self.context.nonce);
        let salt = BASE64_STANDARD.encode(&verifier.salt);
        let challenge = format!("r={nonce},s={salt},i={}", verifier.iterations);
        let transcript = format!("{},{challenge},", first.bare);
        self.state = State::AwaitFinal(AwaitFinal {
            claim,
            binding,
            nonce,
            transcript,
        });
        Step::Challenge(challenge.into_bytes())
    }

    fn on_final(&self, awaited: AwaitFinal, response: &[u8]) -> Result<Step, Failure> {
        let AwaitFinal {
            claim,
            binding,
            nonce,
            transcript,
        } = awaited;
        let last = ClientFinal::parse(response).ok_or(MALFORMED)?;
        if !bool::from(last.binding.ct_eq(&binding)) {
            let text = "channel binding data does not match";
            return Err(Failure::with_text(SaslCondition::NotAuthorized, text));
        }
        if last.nonce != nonce || last.proof.len() != self.hash.size() {
            return Err(MALFORMED);
        }
        let verifier = claim.verifiers.of(self.hash);
        let auth_message = [transcript.as_bytes(), last.without_proof.as_bytes()];
        let signature = self.hash.hmac(&verifier.stored_key, &auth_message);
        let client_key: Vec<u8> = last
            .proof
            .iter()
            .zip(&signature)
            .map(|(p, s)| p ^ s)
            .collect();
        let proven = self
            .hash
            .digest(&client_key)
            .ct_eq(&verifier.stored_key)
            .into();
        let server_signature = self.hash.hmac(&verifier.server_key, &auth_message);
        let data = format!("v={}", BASE64_STANDARD.encode(server_signature));
        Ok(claim.conclude(proven, data.into_bytes()))
    }
}

impl fmt::Debug for Scram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scram({:?}, ***)", self.hash)
    }
}

const MALFORMED: Failure = Failure::new(SaslCondition::MalformedRequest);
