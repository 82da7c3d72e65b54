//! Certificates and keys as files: read, checked, and refused with what to do about it.

use muster_types::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Bytes of the largest file read: a long chain is some 20 KB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where the certificate of a domain is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFiles {
    /// The domain.
    pub domain: String,
    /// PEM: the domain's certificate first, then those that lead to its CA.
    pub chain: PathBuf,
    /// PEM: the private key, readable by its owner only.
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Others can read the key.
    #[error("the key {0} can be read by others (mode {mode:03o}): run chmod 600 {0}", .path.display())]
    KeyExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file does not hold what it should, in PEM.
    #[error("{} holds no {what} in PEM", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The certificate is for another key.
    #[error("the certificate {} does not belong to the key {}", .chain.display(), .key.display())]
    CertificateMismatch {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The certificate is for other names.
    #[error("the certificate {} is not for {domain}", .chain.display())]
    NotForDomain {
        /// The certificate's file.
        chain: PathBuf,
        /// The domain it should be for.
        domain: String,
    },
    /// Certificate or key is damaged or of a kind that is not supported.
    #[error("the certificate {} with the key {} cannot be used: {cause}", .chain.display(), .key.display())]
    Unusable {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        cause: Error,
    },
    /// The TLS library cannot be used as it is built.
    #[error("TLS cannot be used: {0}")]
    Provider(Error),
    /// No domain has a certificate.
    #[error("no certificate is configured")]
    None,
}

/// Reads and checks the certificate of one domain.
pub(crate) fn load(
    files: &CertificateFiles,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CertificateError> {
    let chain = read_chain(&files.chain)?;
    let key = read_key(&files.key)?;
    let CertificateFiles {
        domain,
        chain: chain_path,
        key: key_path,
    } = files.clone();
    let unusable = |cause| {
        let (chain, key) = (chain_path.clone(), key_path.clone());
        if cause == Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            CertificateError::CertificateMismatch { chain, key }
        } else {
            CertificateError::Unusable { chain, key, cause }
        }
    };
    let certified = CertifiedKey::from_der(chain, key, provider).map_err(&unusable)?;
    let leaf = certified
        .end_entity_cert()
        .and_then(ParsedCertificate::try_from);
    let leaf = leaf.map_err(&unusable)?;
    let fits = ServerName::try_from(domain.as_str())
        .is_ok_and(|name| rustls::client::verify_server_name(&leaf, &name).is_ok());
    if !fits {
        return Err(CertificateError::NotForDomain {
            chain: chain_path,
            domain,
        });
    }
    Ok(certified)
}

/// When the first of a chain ends: from then on clients refuse it.
pub(crate) fn end(
    chain: &[CertificateDer<'_>],
    files: &CertificateFiles,
) -> Result<Timestamp, CertificateError> {
    let end = |der: &CertificateDer<'_>| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let seconds = certificate.validity().not_after.timestamp();
        Some(Timestamp(
            u64::try_from(seconds).ok()?.saturating_mul(1_000),
        ))
    };
    let ends: Option<Vec<_>> = chain.iter().map(end).collect();
    let first = ends.and_then(|ends| ends.into_iter().min());
    first.ok_or_else(|| CertificateError::Unusable {
        chain: files.chain.clone(),
        key: files.key.clone(),
        cause: Error::InvalidCertificate(rustls::CertificateError::BadEncoding),
    })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let pem = read(path).map_err(|cause| CertificateError::Unreadable {
        path: path.into(),
        cause,
    })?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.bytes).collect();
    chain
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| CertificateError::Missing {
            path: path.into(),
            what: "certificate",
        })
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let pem = read(path).map_err(|cause| CertificateError::Unreadable {
        path: path.into(),
        cause,
    })?;
    if pem.mode & 0o077 != 0 {
        return Err(CertificateError::KeyExposed {
            path: path.into(),
            mode: pem.mode,
        });
    }
    PrivateKeyDer::from_pem_slice(&pem.bytes).map_err(|_| CertificateError::Missing {
        path: path.into(),
        what: "private key",
    })
}

struct Contents {
    bytes: Vec<u8>,
    /// The permission bits of the file that was read, not of one put in its place since.
    mode: u32,
}

fn read(path: &Path) -> io::Result<Contents> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Contents { bytes, mode })
}
