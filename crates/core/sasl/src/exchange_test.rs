use crate::*;
use base64::{Engine, prelude::BASE64_STANDARD};
use muster_types::{BareJid, DomainPart};

fn jid(text: &str) -> BareJid {
    BareJid::new(text).unwrap()
}

fn context(nonce: &str) -> Context {
    Context {
        domain: DomainPart::new("example.com").unwrap().into_owned(),
        bindings: ChannelBindings::default(),
        plus_offered: false,
        nonce: nonce.into(),
        decoy: Decoy {
            secret: [7; 32],
            iterations: 4096,
        },
    }
}

fn bound_context() -> Context {
    let bindings = ChannelBindings {
        exporter: Some(b"exported".to_vec()),
        server_end_point: Some(b"certificate".to_vec()),
    };
    Context {
        bindings,
        plus_offered: true,
        ..context("ours")
    }
}

fn account(password: &str) -> Lookup {
    let verifiers = Verifiers::from_password(password, b"0123456789abcdef", 4096).unwrap();
    Lookup::Found {
        verifiers,
        disabled: false,
    }
}

fn failure(step: Step) -> SaslCondition {
    match step {
        Step::Failure(failure) => failure.condition,
        Step::Challenge(_) | Step::NeedAccount(_) | Step::Success { .. } => panic!("{step:?}"),
    }
}

/// A SCRAM client that answers a challenge.
fn client_final(
    hash: ScramHash,
    first: &str,
    binding: &[u8],
    challenge: &[u8],
    password: &str,
) -> String {
    let challenge = std::str::from_utf8(challenge).unwrap();
    let mut parts = challenge.split(',');
    let nonce = parts.next().unwrap();
    let salt = BASE64_STANDARD.decode(&parts.next().unwrap()[2..]).unwrap();
    let iterations = parts.next().unwrap()[2..].parse().unwrap();
    let bare = first.splitn(3, ',').nth(2).unwrap();
    let header = &first[..first.len() - bare.len()];
    let c = BASE64_STANDARD.encode([header.as_bytes(), binding].concat());
    let without_proof = format!("c={c},{nonce}");
    let salted = hash.stretch(password.as_bytes(), &salt, iterations);
    let key = hash.hmac(&salted, &[b"Client Key"]);
    let message = format!("{bare},{challenge},{without_proof}");
    let signature = hash.hmac(&hash.digest(&key), &[message.as_bytes()]);
    let proof: Vec<u8> = key.iter().zip(signature).map(|(k, s)| k ^ s).collect();
    format!("{without_proof},p={}", BASE64_STANDARD.encode(proof))
}

/// Runs a whole SCRAM login of `first` against `lookup`.
fn scram(
    mechanism: Mechanism,
    context: Context,
    first: &str,
    binding: &[u8],
    lookup: Lookup,
) -> Step {
    let hash = mechanism.scram_hash().unwrap();
    let (mut exchange, mut step) = Exchange::start(mechanism, Some(first.as_bytes()), context);
    if let Step::NeedAccount(_) = step {
        step = exchange.provide(lookup);
    }
    match step {
        Step::Challenge(challenge) => {
            let last = client_final(hash, first, binding, &challenge, "secret");
            exchange.respond(last.as_bytes())
        }
        Step::NeedAccount(_) | Step::Success { .. } | Step::Failure(_) => step,
    }
}

#[test]
fn scram_test_vectors() {
    struct Vector {
        mechanism: Mechanism,
        salt: &'static str,
        nonce: &'static str,
        first: &'static str,
        challenge: &'static str,
        last: &'static str,
        success: &'static str,
    }
    let vectors = [
        // RFC 5802 §5
        Vector {
            mechanism: Mechanism::ScramSha1,
            salt: "QSXCR+Q6sek8bf92",
            nonce: "3rfcNHYJY1ZVvWVs7j",
            first: "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            challenge: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            last: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            success: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        },
        // RFC 7677 §3
        Vector {
            mechanism: Mechanism::ScramSha256,
            salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
            nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            challenge: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            last: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            success: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        },
    ];
    for v in vectors {
        let salt = BASE64_STANDARD.decode(v.salt).unwrap();
        let derive = |hash| ScramVerifier::derive(hash, "pencil", &salt, 4096);
        let verifiers = Verifiers {
            sha1: derive(ScramHash::Sha1),
            sha256: derive(ScramHash::Sha256),
        };
        let (mut exchange, step) =
            Exchange::start(v.mechanism, Some(v.first.as_bytes()), context(v.nonce));
        assert_eq!(step, Step::NeedAccount(jid("user@example.com")));
        let step = exchange.provide(Lookup::Found {
            verifiers,
            disabled: false,
        });
        assert_eq!(step, Step::Challenge(v.challenge.into()));
        let success = Step::Success {
            user: jid("user@example.com"),
            data: v.success.into(),
        };
        assert_eq!(exchange.respond(v.last.as_bytes()), success);
    }
}

#[test]
fn the_client_speaks_first() {
    for mechanism in Mechanism::ALL {
        let (_, step) = Exchange::start(mechanism, None, bound_context());
        assert_eq!(step, Step::Challenge(Vec::new()), "{mechanism:?}");
    }
}

#[test]
fn plus_binds_to_each_type_of_channel() {
    for mechanism in [Mechanism::ScramSha1Plus, Mechanism::ScramSha256Plus] {
        for (first, data) in [
            ("p=tls-exporter,,n=alice,r=abc", &b"exported"[..]),
            (
                "p=tls-server-end-point,a=alice@example.com,n=alice,r=abc",
                b"certificate",
            ),
        ] {
            let step = scram(mechanism, bound_context(), first, data, account("secret"));
            assert!(
                matches!(&step, Step::Success { user, .. } if *user == jid("alice@example.com")),
                "{step:?}"
            );
            let step = scram(
                mechanism,
                bound_context(),
                first,
                b"another channel",
                account("secret"),
            );
            assert_eq!(failure(step), SaslCondition::NotAuthorized);
        }
    }
}

#[test]
fn scram_refusals() {
    use Mechanism::{ScramSha256 as Bare, ScramSha256Plus as Plus};
    use SaslCondition::{InvalidAuthzid, MalformedRequest, NotAuthorized};
    for (mechanism, first, condition) in [
        (Bare, "y,,n=alice,r=abc", NotAuthorized), // a downgrade
        (Plus, "p=tls-unique,,n=alice,r=abc", NotAuthorized),
        (Plus, "n,,n=alice,r=abc", MalformedRequest),
        (Plus, "y,,n=alice,r=abc", MalformedRequest),
        (Bare, "p=tls-exporter,,n=alice,r=abc", MalformedRequest),
        (Bare, "n,a=bob@example.com,n=alice,r=abc", InvalidAuthzid),
        (Bare, "n,a=alice@example.net,n=alice,r=abc", InvalidAuthzid),
        (
            Bare,
            "n,a=alice@example.com/phone,n=alice,r=abc",
            InvalidAuthzid,
        ),
        (Bare, "garbage", MalformedRequest),
    ] {
        let step = scram(mechanism, bound_context(), first, b"", account("secret"));
        assert_eq!(failure(step), condition, "{first}");
    }
}

#[test]
fn lookups_decide() {
    use SaslCondition::{AccountDisabled, NotAuthorized, TemporaryAuthFailure};
    let Lookup::Found { verifiers, .. } = account("secret") else {
        panic!()
    };
    for (lookup, condition) in [
        (account("another"), NotAuthorized),
        (Lookup::Absent, NotAuthorized),
        (
            Lookup::Found {
                verifiers,
                disabled: true,
            },
            AccountDisabled,
        ),
        (Lookup::Throttled, TemporaryAuthFailure),
        (Lookup::Unavailable, TemporaryAuthFailure),
    ] {
        let first = "n,,n=alice,r=abc";
        let step = scram(
            Mechanism::ScramSha1,
            context("ours"),
            first,
            b"",
            lookup.clone(),
        );
        assert_eq!(failure(step), condition, "{lookup:?}");
        let (mut exchange, _) =
            Exchange::start(Mechanism::Plain, Some(b"\0alice\0secret"), context(""));
        assert_eq!(failure(exchange.provide(lookup)), condition);
    }
}

#[test]
fn a_disabled_account_shows_only_to_who_knows_its_password() {
    let Lookup::Found { verifiers, .. } = account("another") else {
        panic!()
    };
    let lookup = Lookup::Found {
        verifiers,
        disabled: true,
    };
    let step = scram(
        Mechanism::ScramSha1,
        context("ours"),
        "n,,n=alice,r=abc",
        b"",
        lookup,
    );
    assert_eq!(failure(step), SaslCondition::NotAuthorized);
}

#[test]
fn absent_accounts_look_like_present_ones() {
    let challenge = |name: &str| {
        let first = format!("n,,n={name},r=abc");
        let (mut exchange, step) = Exchange::start(
            Mechanism::ScramSha256,
            Some(first.as_bytes()),
            context("ours"),
        );
        let step = if let Step::NeedAccount(_) = step {
            exchange.provide(Lookup::Absent)
        } else {
            step
        };
        let Step::Challenge(challenge) = step else {
            panic!("{step:?}")
        };
        String::from_utf8(challenge).unwrap()
    };
    let salt_characters = BASE64_STANDARD.encode([0; SALT_BYTES]).len();
    for name in ["carol", "no account's name: @/"] {
        let text = challenge(name);
        assert_eq!(text, challenge(name), "the same each time");
        assert_eq!(text.len(), "r=abcours,s=,i=4096".len() + salt_characters);
    }
    assert_eq!(
        challenge("carol"),
        challenge("CAROL"),
        "as the names of accounts are folded"
    );
    assert_ne!(challenge("carol"), challenge("dave"));
}

#[test]
fn scram_final_refusals() {
    let first = "n,,n=alice,r=abc";
    for (last, condition) in [
        ("c=biws,r=abctheirs,p=AAAA", SaslCondition::MalformedRequest),
        ("c=biws,r=abcours,p=AAAA", SaslCondition::MalformedRequest),
        ("c=eSws,r=abcours,p=AAAA", SaslCondition::NotAuthorized),
        ("garbage", SaslCondition::MalformedRequest),
    ] {
        let (mut exchange, _) = Exchange::start(
            Mechanism::ScramSha1,
            Some(first.as_bytes()),
            context("ours"),
        );
        exchange.provide(account("secret"));
        assert_eq!(
            failure(exchange.respond(last.as_bytes())),
            condition,
            "{last}"
        );
        assert_eq!(
            failure(exchange.respond(last.as_bytes())),
            SaslCondition::MalformedRequest
        );
    }
}

#[test]
fn plain_messages() {
    use SaslCondition::{InvalidAuthzid, MalformedRequest, NotAuthorized};
    for (message, refused) in [
        ("\0alice\0secret", None),
        ("\0Alice\0secret", None),
        ("alice@example.com\0alice\0secret", None),
        ("\0alice\0wrong", Some(NotAuthorized)),
        ("\0alice\0", Some(NotAuthorized)),
        ("\0a@b\0secret", Some(NotAuthorized)),
        ("bob@example.com\0alice\0secret", Some(InvalidAuthzid)),
        ("not a jid/\0alice\0secret", Some(InvalidAuthzid)),
        ("alice\0secret", Some(MalformedRequest)),
        ("\0\0secret", Some(MalformedRequest)),
        ("\0alice\0secret\0", Some(MalformedRequest)),
        ("", Some(MalformedRequest)),
    ] {
        let (mut exchange, mut step) =
            Exchange::start(Mechanism::Plain, Some(message.as_bytes()), context(""));
        if let Step::NeedAccount(_) = step {
            step = exchange.provide(account("secret"));
        }
        match refused {
            Some(condition) => assert_eq!(failure(step), condition, "{message:?}"),
            None => {
                let user = jid("alice@example.com");
                assert_eq!(
                    step,
                    Step::Success {
                        user,
                        data: Vec::new()
                    },
                    "{message:?}"
                );
            }
        }
    }
}

#[test]
fn answers_out_of_turn_fail() {
    for mechanism in Mechanism::ALL {
        let (mut exchange, _) = Exchange::start(mechanism, None, bound_context());
        assert_eq!(
            failure(exchange.provide(Lookup::Absent)),
            SaslCondition::MalformedRequest
        );
        assert_eq!(
            failure(exchange.respond(b"")),
            SaslCondition::MalformedRequest
        );
    }
}
