//! The cluster's own certificate authority: ECDSA P-256, one CA for each cluster, leaf certificates
//! for nodes, for the client listeners of a quickstart, and for operators.

use crate::fingerprint::Fingerprint;
use crate::name;
use muster_types::{NodeId, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, pem};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};
use x509_parser::prelude::{FromDer, X509Certificate};

const DAY: Duration = Duration::from_secs(86_400);
/// How long the CA's certificate is good.
const CA_LIFE: Duration = DAY.saturating_mul(3_653);
/// How long any other certificate is good. Nodes renew theirs long before.
const LEAF_LIFE: Duration = DAY.saturating_mul(365);
/// Certificates begin this much in the past, for hosts whose clocks differ.
const BACKDATE: Duration = Duration::from_secs(3_600);

/// Why a certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PkiError {
    /// The text holds no certificate or key in PEM.
    #[error("not in PEM form")]
    Pem(#[from] pem::Error),
    /// A key or certificate could not be made or understood.
    #[error("certificate or key refused")]
    Certificate(#[from] rcgen::Error),
    /// TLS refuses the certificate or key, such as a key that does not belong to the certificate.
    #[error("not usable for TLS")]
    Tls(#[from] rustls::Error),
    /// The CA certificates cannot verify anybody.
    #[error("the CA cannot be used to verify peers")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
    /// The certificate is not what it should be.
    #[error(transparent)]
    Name(#[from] name::NameError),
    /// The certificate is of another node.
    #[error("the certificate is of node {found}, not {expected}")]
    OtherNode {
        /// The node it names.
        found: NodeId,
        /// The node it should name.
        expected: NodeId,
    },
    /// The key is not the one of the certificate.
    #[error("the key does not belong to the certificate")]
    KeyMismatch,
    /// A cluster id that cannot stand in a certificate's name.
    #[error("cluster id {0:?} is not one DNS label of small letters, digits and hyphens")]
    ClusterId(String),
    /// The CA certificate names no cluster.
    #[error("the certificate is not a cluster's CA")]
    NotACa,
    /// A client listener may not carry a node's name.
    #[error("{0} is a name that only nodes have")]
    Reserved(String),
    /// A server certificate needs a name or an address.
    #[error("no domain name and no address given")]
    NoNames,
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system: {0}")]
    Random(getrandom::Error),
}

/// A certificate with its key, both in PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate, followed by the CA's.
    pub certificate: String,
    /// The private key (PKCS #8). To be written with mode 0600.
    pub key: String,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("certificate", &self.certificate)
            .field("key", &"***")
            .finish()
    }
}

/// A node's private key, made on the node; it never leaves it.
pub struct NodeKey(KeyPair);

impl NodeKey {
    /// Makes a new key.
    pub fn generate() -> Result<Self, PkiError> {
        Ok(Self(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?))
    }

    /// Reads a key that [`pem`](Self::pem) wrote.
    pub fn from_pem(pem: &str) -> Result<Self, PkiError> {
        Ok(Self(KeyPair::from_pem(pem)?))
    }

    /// The key in PEM (PKCS #8). To be written with mode 0600.
    pub fn pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// A request for a certificate of this key (PKCS #10 in PEM). It names nobody: the CA decides.
    pub fn csr(&self) -> Result<String, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        Ok(params.serialize_request(&self.0)?.pem()?)
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(***)")
    }
}

/// The certificate authority of one cluster, with its private key.
pub struct ClusterCa {
    cluster: String,
    certificate: String,
    fingerprint: Fingerprint,
    issuer: Issuer<'static, KeyPair>,
}

impl ClusterCa {
    /// Makes the CA of a new cluster. The id must be one DNS label, such as a UUID.
    pub fn generate(cluster: &str) -> Result<Self, PkiError> {
        if !name::is_cluster_id(cluster) {
            return Err(PkiError::ClusterId(cluster.to_owned()));
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = blank(CA_LIFE)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "Muster cluster CA");
        params
            .distinguished_name
            .push(DnType::OrganizationName, cluster);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            cluster: cluster.to_owned(),
            certificate: certificate.pem(),
            fingerprint: Fingerprint::of_der(certificate.der()),
            issuer: Issuer::new(params, key),
        })
    }

    /// Reads a CA back from its certificate and key in PEM.
    pub fn load(certificate: &str, key: &str) -> Result<Self, PkiError> {
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| PkiError::NotACa)?;
        let key = KeyPair::from_pem(key)?;
        if parsed.public_key().subject_public_key.data != key.der_bytes() {
            return Err(PkiError::KeyMismatch);
        }
        let cluster = parsed
            .subject()
            .iter_organization()
            .next()
            .and_then(|organization| organization.as_str().ok())
            .filter(|cluster| parsed.is_ca() && name::is_cluster_id(cluster))
            .ok_or(PkiError::NotACa)?;
        Ok(Self {
            cluster: cluster.to_owned(),
            certificate: certificate.to_owned(),
            fingerprint: Fingerprint::of_der(&der),
            issuer: Issuer::from_ca_cert_der(&der, key)?,
        })
    }

    /// The cluster's id.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The CA's certificate in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The CA's private key in PEM, to be sealed ([`seal`](crate::seal())) before it touches a disk.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// What join tokens and people name this CA by.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Issues the certificate of a node, good for a year, for the key in `csr` (PKCS #10 in PEM,
    /// [`NodeKey::csr`]). Whatever else the request asks for is ignored. Returns the certificate
    /// followed by the CA's, in PEM.
    pub fn issue_node(&self, node: NodeId, csr: &str) -> Result<String, PkiError> {
        let request = CertificateSigningRequestParams::from_pem(csr)?;
        let mut params = leaf(&node.to_string())?;
        let name = name::node_name(node, &self.cluster);
        params.subject_alt_names = vec![SanType::DnsName(name.try_into()?)];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&request.public_key, &self.issuer)?;
        Ok(certificate.pem() + &self.certificate)
    }

    /// Issues a certificate for client listeners, good for a year.
    pub fn issue_server(&self, domains: &[&str], ips: &[IpAddr]) -> Result<Issued, PkiError> {
        if let Some(name) = domains.iter().find(|name| name::is_reserved(name)) {
            return Err(PkiError::Reserved((*name).to_owned()));
        }
        let first_ip = ips.first().map(ToString::to_string);
        let title = domains.first().map(|name| (*name).to_owned());
        let mut params = leaf(&title.or(first_ip).ok_or(PkiError::NoNames)?)?;
        for domain in domains {
            let name = SanType::DnsName((*domain).try_into()?);
            params.subject_alt_names.push(name);
        }
        let addresses = ips.iter().copied().map(SanType::IpAddress);
        params.subject_alt_names.extend(addresses);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(&params)
    }

    /// Issues a certificate with which an operator may administer the cluster, good for a year. The
    /// operator's name is its subject's common name.
    pub fn issue_operator(&self, operator: &str) -> Result<Issued, PkiError> {
        let mut params = leaf(operator)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(&params)
    }

    fn issue(&self, params: &CertificateParams) -> Result<Issued, PkiError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            certificate: certificate.pem() + &self.certificate,
            key: key.serialize_pem(),
        })
    }
}

impl fmt::Debug for ClusterCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterCa")
            .field("cluster", &self.cluster)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// When the first certificate in `pem` ends: renew it before.
pub fn certificate_expiry(pem: &str) -> Result<Timestamp, PkiError> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes())?;
    let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| name::NameError::Unreadable)?;
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    Ok(Timestamp(seconds.saturating_mul(1000)))
}

fn leaf(title: &str) -> Result<CertificateParams, PkiError> {
    let mut params = blank(LEAF_LIFE)?;
    params.distinguished_name.push(DnType::CommonName, title);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn blank(life: Duration) -> Result<CertificateParams, PkiError> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(PkiError::Random)?;
    // A serial number is positive (RFC 5280 §4.1.2.2) and has no leading zero byte.
    serial[0] = serial[0] & 0x7f | 0x40;
    let now = SystemTime::now();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = (now - BACKDATE).into();
    params.not_after = (now + life).into();
    Ok(params)
}

#[cfg(test)]
#[path = "pki_test.rs"]
mod pki_test;
