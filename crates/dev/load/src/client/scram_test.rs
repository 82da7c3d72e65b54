use super::scram::{Hash, Keys, Scram, ScramError};

struct Vector {
    hash: Hash,
    nonce: &'static str,
    server_first: &'static str,
    client_final: &'static str,
    server_final: &'static str,
}

/// RFC 5802 §5 and RFC 7677 §3; user `user`, password `pencil`.
const VECTORS: [Vector; 2] = [
    Vector {
        hash: Hash::Sha1,
        nonce: "fyko+d2lbbFgONRv9qkxdawL",
        server_first: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        client_final: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        server_final: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    },
    Vector {
        hash: Hash::Sha256,
        nonce: "rOprNGfwEbeRWgbNEkqO",
        server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        client_final: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        server_final: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    },
];

#[test]
fn the_rfcs_exchanges() {
    for vector in VECTORS {
        let scram = Scram::new(vector.hash, "user", vector.nonce);
        assert_eq!(scram.first(), format!("n,,n=user,r={}", vector.nonce));
        let challenge = scram.challenge(vector.server_first.as_bytes()).unwrap();
        let keys = Keys::derive(vector.hash, "pencil", &challenge.salt, challenge.iterations);
        assert!(keys.fit(vector.hash, &challenge));
        let proof = scram.prove(&challenge, &keys);
        assert_eq!(proof.message, vector.client_final);
        assert_eq!(proof.verify(vector.server_final.as_bytes()), Ok(()));
    }
}

#[test]
fn another_servers_signature_is_refused() {
    let [sha1, sha256] = VECTORS;
    let scram = Scram::new(sha1.hash, "user", sha1.nonce);
    let challenge = scram.challenge(sha1.server_first.as_bytes()).unwrap();
    let keys = Keys::derive(sha1.hash, "pencil", &challenge.salt, challenge.iterations);
    let proof = scram.prove(&challenge, &keys);
    for wrong in [sha256.server_final, "", "v=", "v=*", "e=other-error"] {
        assert_eq!(
            proof.verify(wrong.as_bytes()),
            Err(ScramError::Signature),
            "{wrong}"
        );
    }
}

#[test]
fn challenges_that_are_refused() {
    let scram = Scram::new(Hash::Sha1, "user", "abc");
    for (message, error) in [
        ("", ScramError::Challenge),
        ("r=abcd,s=QQ==", ScramError::Challenge),
        ("r=abcd,s=*,i=4096", ScramError::Challenge),
        ("r=abcd,s=QQ==,i=x", ScramError::Challenge),
        ("r=abcd,s=QQ==,i=0", ScramError::Challenge),
        ("m=x,r=abcd,s=QQ==,i=4096", ScramError::Challenge),
        ("r=abc,s=QQ==,i=4096", ScramError::Nonce),
        ("r=xyzd,s=QQ==,i=4096", ScramError::Nonce),
        ("r=abcd,s=QQ==,i=1000001", ScramError::Iterations),
    ] {
        assert_eq!(scram.challenge(message.as_bytes()), Err(error), "{message}");
    }
    assert!(scram.challenge(b"r=abcd,s=QQ==,i=4096,x=y").is_ok());
}

#[test]
fn names_are_escaped() {
    assert_eq!(
        Scram::new(Hash::Sha1, "a,b=c", "x").first(),
        "n,,n=a=2Cb=3Dc,r=x"
    );
}

#[test]
fn keys_fit_one_challenge_only() {
    let keys = Keys::derive(Hash::Sha1, "x", b"A", 1);
    let scram = Scram::new(Hash::Sha1, "user", "a");
    for (hash, message, fits) in [
        (Hash::Sha1, "r=ab,s=QQ==,i=1", true),
        (Hash::Sha256, "r=ab,s=QQ==,i=1", false),
        (Hash::Sha1, "r=ab,s=Qg==,i=1", false),
        (Hash::Sha1, "r=ab,s=QQ==,i=2", false),
    ] {
        let challenge = scram.challenge(message.as_bytes()).unwrap();
        assert_eq!(keys.fit(hash, &challenge), fits, "{message}");
    }
}
