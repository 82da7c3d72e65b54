//! Verifies a server by its CA's fingerprint: what a node does that joins with a token and has
//! nothing else to trust.

use crate::fingerprint::Fingerprint;
use crate::identity::provider;
use crate::name::{identify, node_name};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;

/// Accepts a server that shows the certificate of a node of `cluster`, signed by the one CA whose
/// fingerprint is pinned and whose certificate the server sends along. Which node it is does not
/// matter. Everything else is the ordinary verification of rustls with that CA as only root.
#[derive(Debug)]
pub(crate) struct PinnedCa {
    cluster: String,
    ca: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl PinnedCa {
    pub(crate) fn new(cluster: String, ca: Fingerprint) -> Self {
        Self {
            cluster,
            ca,
            provider: provider(),
        }
    }
}

impl ServerCertVerifier for PinnedCa {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned =
            |certificate: &&CertificateDer<'_>| Fingerprint::of_der(certificate) == self.ca;
        let ca = intermediates.iter().find(pinned);
        let ca = ca.ok_or(CertificateError::UnknownIssuer)?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        let roots = Arc::new(roots);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&self.provider))
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
        let node =
            identify(end_entity, &self.cluster).map_err(|_| CertificateError::NotValidForName)?;
        let name = ServerName::try_from(node_name(node, &self.cluster))
            .map_err(|_| CertificateError::NotValidForName)?;
        verifier.verify_server_cert(end_entity, intermediates, &name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
