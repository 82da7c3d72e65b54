//! Channel binding data of a TLS connection: what a login can be tied to.

use rustls::{ProtocolVersion, ServerConnection};
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::asn1_rs::Oid;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer;
use x509_parser::signature_algorithm::SignatureAlgorithm;

/// `tls-exporter` (RFC 9266). From TLS 1.3 only: before it, the data is safe only with the
/// extended master secret, and the TLS library does not tell whether that was used.
pub(crate) fn exporter(connection: &ServerConnection) -> Option<Vec<u8>> {
    if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    let label = b"EXPORTER-Channel-Binding";
    // RFC 9266 §2: the context is there, and empty. In TLS 1.3 none and an empty one are the same.
    connection
        .export_keying_material(vec![0; 32], label, Some(b""))
        .ok()
}

/// `tls-server-end-point` (RFC 5929 §4.1): the certificate, hashed by the hash of its own
/// signature. `None` where that has none, or more than one (§4.1 leaves those undefined).
pub(crate) fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate).ok()?;
    let signature = SignatureAlgorithm::try_from(&parsed.signature_algorithm).ok()?;
    let algorithm = match &signature {
        SignatureAlgorithm::RSASSA_PSS(parameters) => parameters.hash_algorithm_oid(),
        _ => &parsed.signature_algorithm.algorithm,
    };
    Some(match hash_of(algorithm)? {
        Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

#[derive(Clone, Copy)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// The hash to use for a signature algorithm, or for a hash; MD5 and SHA-1 count as SHA-256.
fn hash_of(algorithm: &Oid<'_>) -> Option<Hash> {
    let table = [
        (oid::OID_PKCS1_MD5WITHRSAENC, Hash::Sha256),
        (oid::OID_PKCS1_SHA1WITHRSA, Hash::Sha256),
        (oid::OID_HASH_SHA1, Hash::Sha256),
        (oid::OID_PKCS1_SHA256WITHRSA, Hash::Sha256),
        (oid::OID_SIG_ECDSA_WITH_SHA256, Hash::Sha256),
        (oid::OID_NIST_HASH_SHA256, Hash::Sha256),
        (oid::OID_PKCS1_SHA384WITHRSA, Hash::Sha384),
        (oid::OID_SIG_ECDSA_WITH_SHA384, Hash::Sha384),
        (oid::OID_NIST_HASH_SHA384, Hash::Sha384),
        (oid::OID_PKCS1_SHA512WITHRSA, Hash::Sha512),
        (oid::OID_SIG_ECDSA_WITH_SHA512, Hash::Sha512),
        (oid::OID_NIST_HASH_SHA512, Hash::Sha512),
    ];
    table
        .into_iter()
        .find(|(known, _)| known == algorithm)
        .map(|(_, hash)| hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    #[test]
    fn the_certificates_own_hash_is_used() {
        for (algorithm, size) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let certificate = CertificateParams::default().self_signed(&key).unwrap();
            let data = server_end_point(certificate.der());
            assert_eq!(data.map(|data| data.len()), size, "{algorithm:?}");
        }
        assert_eq!(server_end_point(b"no certificate"), None);
    }
}
