use crate::fixture::{Ca, set_mode};
use crate::{CertificateError, CertificateFiles, TlsDomains};
use std::fs;

fn refusal(files: &CertificateFiles) -> String {
    TlsDomains::load(std::slice::from_ref(files))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_good_certificate_loads() {
    let ca = Ca::new();
    for domain in ["example.com", "*.example.com"] {
        let mut files = ca.issue(domain);
        files.domain = domain.replace('*', "chat");
        TlsDomains::load(&[files]).unwrap();
    }
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let ca = Ca::new();
    let files = ca.issue("example.com");
    for mode in [0o644, 0o640, 0o604, 0o610] {
        set_mode(&files.key, mode);
        let path = files.key.display();
        assert_eq!(
            refusal(&files),
            format!("the key {path} can be read by others (mode {mode:03o}): run chmod 600 {path}")
        );
    }
    set_mode(&files.key, 0o400);
    TlsDomains::load(&[files]).unwrap();
}

#[test]
fn a_certificate_for_another_key_is_refused() {
    let ca = Ca::new();
    let (one, other) = (ca.issue("a.example"), ca.issue("b.example"));
    let mixed = CertificateFiles {
        key: other.key,
        ..one
    };
    let error = TlsDomains::load(std::slice::from_ref(&mixed)).unwrap_err();
    assert!(
        matches!(error, CertificateError::CertificateMismatch { .. }),
        "{error}"
    );
    assert!(refusal(&mixed).contains("does not belong to the key"));
}

#[test]
fn a_certificate_for_another_domain_is_refused() {
    let files = CertificateFiles {
        domain: "example.net".into(),
        ..Ca::new().issue("example.com")
    };
    // The files are gone with their folder: what is missing is said first.
    assert!(refusal(&files).starts_with("cannot read "));
    let ca = Ca::new();
    let files = CertificateFiles {
        domain: "example.net".into(),
        ..ca.issue("example.com")
    };
    assert!(refusal(&files).ends_with("is not for example.net"));
}

#[test]
fn files_without_the_right_contents_are_refused() {
    let ca = Ca::new();
    let good = ca.issue("example.com");
    let empty = ca.folder().join("empty");
    fs::write(&empty, "").unwrap();
    set_mode(&empty, 0o600);
    let broken = ca.folder().join("broken");
    fs::write(
        &broken,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    for (files, text) in [
        (
            CertificateFiles {
                chain: empty.clone(),
                ..good.clone()
            },
            "holds no certificate in PEM",
        ),
        (
            CertificateFiles {
                key: empty,
                ..good.clone()
            },
            "holds no private key in PEM",
        ),
        (
            CertificateFiles {
                key: good.chain.clone(),
                ..good.clone()
            },
            "run chmod 600",
        ),
        (
            CertificateFiles {
                chain: broken,
                ..good.clone()
            },
            "cannot be used",
        ),
        (
            CertificateFiles {
                chain: ca.folder().join("none"),
                ..good.clone()
            },
            "cannot read",
        ),
        (
            CertificateFiles {
                chain: ca.folder().into(),
                ..good.clone()
            },
            "cannot read",
        ),
    ] {
        let refusal = refusal(&files);
        assert!(refusal.contains(text), "{refusal}");
        assert!(!refusal.contains('\n'), "one line: {refusal}");
    }
    assert_eq!(
        TlsDomains::load(&[]).unwrap_err().to_string(),
        "no certificate is configured"
    );
}
