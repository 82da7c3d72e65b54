//! A login: the example of RFC 7677 §3, as the server sees it. Stretching the password is the client's work, so it is none
//! of ours.

use crate::Workload;
use muster_sasl::{
    ChannelBindings, Context, Decoy, Exchange, Lookup, Mechanism, SALT_BYTES, Step, Verifiers,
};
use muster_types::DomainPart;
use std::hint::black_box;

const PASSWORD: &str = "pencil";
const ITERATIONS: u32 = 4096;
/// `W22ZaJ0SNY7soEsUEjb6gQ==`
const SALT: [u8; SALT_BYTES] = [
    0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81,
];
const NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const LAST: &[u8] = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
      p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

pub(crate) const LOGIN: Workload = Workload {
    name: "scram",
    does: "runs a SCRAM-SHA-256 exchange against a stored verifier",
    unit: "login",
    units: 1,
    prepare: || {
        let context = context();
        let verifiers = Verifiers::from_password(PASSWORD, &SALT, ITERATIONS)
            .expect("the password and the iterations of the RFC");
        Box::new(move || u64::from(log_in(context.clone(), verifiers.clone())))
    },
};

fn context() -> Context {
    Context {
        domain: DomainPart::new("example.com")
            .expect("letters are a domain")
            .into_owned(),
        bindings: ChannelBindings::default(),
        plus_offered: false,
        nonce: NONCE.to_owned(),
        decoy: Decoy {
            secret: [7; 32],
            iterations: ITERATIONS,
        },
    }
}

/// Whether the client gets in.
fn log_in(context: Context, verifiers: Verifiers) -> bool {
    let first = black_box(FIRST);
    let (mut exchange, step) = Exchange::start(Mechanism::ScramSha256, Some(first), context);
    let Step::NeedAccount(_) = step else {
        return false;
    };
    let disabled = false;
    let Step::Challenge(challenge) = exchange.provide(Lookup::Found {
        verifiers,
        disabled,
    }) else {
        return false;
    };
    black_box(challenge);
    matches!(exchange.respond(black_box(LAST)), Step::Success { .. })
}
