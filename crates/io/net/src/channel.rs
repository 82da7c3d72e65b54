//! Channel binding data of a TLS connection: what a login can be tied to.

use rustls::SupportedCipherSuite;
use rustls::crypto::tls13::{HkdfExpander, OkmBlock};
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::asn1_rs::Oid;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer;
use x509_parser::signature_algorithm::SignatureAlgorithm;

/// RFC 9266 §2.
const LABEL: &[u8] = b"EXPORTER-Channel-Binding";
const EXPORTED_BYTES: usize = 32;

/// `tls-exporter` (RFC 9266) of a connection in TLS 1.3. Before it, the data is safe only with the
/// extended master secret, and the TLS library does not tell whether that was used.
pub(crate) fn exporter(suite: SupportedCipherSuite, secret: &OkmBlock) -> Option<Vec<u8>> {
    let SupportedCipherSuite::Tls13(suite) = suite else {
        return None;
    };
    let (hash, hkdf) = (suite.common.hash_provider, suite.hkdf_provider);
    // RFC 8446 §7.5. RFC 9266 §2: the context is there, and empty.
    let empty = hash.hash(b"");
    let mut derived = vec![0; hash.output_len()];
    expand_label(
        hkdf.expander_for_okm(secret),
        LABEL,
        empty.as_ref(),
        &mut derived,
    )?;
    let derived = hkdf.expander_for_okm(&OkmBlock::new(&derived));
    let mut exported = vec![0; EXPORTED_BYTES];
    expand_label(derived, b"exporter", empty.as_ref(), &mut exported)?;
    Some(exported)
}

/// `HKDF-Expand-Label` of RFC 8446 §7.1.
fn expand_label(
    secret: Box<dyn HkdfExpander>,
    label: &[u8],
    context: &[u8],
    output: &mut [u8],
) -> Option<()> {
    const PREFIX: &[u8] = b"tls13 ";
    let size = u16::try_from(output.len()).ok()?.to_be_bytes();
    let label_size = [u8::try_from(PREFIX.len() + label.len()).ok()?];
    let context_size = [u8::try_from(context.len()).ok()?];
    let info: [&[u8]; 6] = [&size, &label_size, PREFIX, label, &context_size, context];
    secret.expand_slice(&info, output).ok()
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
