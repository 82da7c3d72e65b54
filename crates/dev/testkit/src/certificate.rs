//! A domain's certificate, as an operator would bring it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// Writes a certificate for a domain as the example configurations name it (`DOMAIN.pem`), its key (`DOMAIN.key`), and its
/// authority as `ca.pem`.
///
/// # Errors
/// Fails when a file is there already or cannot be written.
pub fn write_certificate(folder: &Path, domain: &str) -> Result<()> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.not_after = date_time_ymd(2049, 1, 1);
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // A leaf of the same name would look self-signed to OpenSSL.
    let authority = format!("authority of {domain}");
    ca.distinguished_name.push(DnType::CommonName, authority);
    fs::write(folder.join("ca.pem"), ca.self_signed(&ca_key)?.pem())?;
    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(vec![domain.to_owned()])?;
    // ejabberd cannot count to the end of the default, which is two thousand years away.
    leaf.not_after = date_time_ymd(2049, 1, 1);
    let issued = leaf.signed_by(&key, &Issuer::new(ca, ca_key))?;
    fs::write(folder.join(format!("{domain}.pem")), issued.pem())?;
    let key_file = folder.join(format!("{domain}.key"));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&key_file)?;
    std::io::Write::write_all(&mut file, key.serialize_pem().as_bytes())
        .with_context(|| format!("writing {}", key_file.display()))
}
