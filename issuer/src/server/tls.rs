//! TLS, where the server has a certificate.

use std::{fmt, path::PathBuf, sync::Arc};

use inspire_auth_core::{Code, Error, Result};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio_rustls::TlsAcceptor;

/// A certificate and its key, as PEM files.
#[derive(Clone)]
pub struct Tls {
    /// The certificate, and after it those of the authorities between it and the root.
    pub cert: PathBuf,
    /// Its private key: PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("cert", &self.cert).finish_non_exhaustive()
    }
}

impl Tls {
    /// # Errors
    /// `INVALID_ARGUMENT`.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor> {
        let wrong = |what: &'static str| Error::with(Code::InvalidArgument, what);
        let certificates = CertificateDer::pem_file_iter(&self.cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong("the TLS certificate can't be read").caused_by(error))?;
        if certificates.is_empty() {
            return Err(wrong("there is no certificate in the file of the TLS certificate"));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| wrong("the TLS key can't be read").caused_by(error))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
            .map_err(|error| wrong("the TLS key is not that of the certificate").caused_by(error))?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
