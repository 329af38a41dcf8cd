//! Trusted certificate authorities: Mozilla's, which are built in because the image has no files,
//! or those of a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Why no authorities are available.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file cannot be read.
    #[error("SSL_CERT_FILE {}: {why}; set it to a file of certificates in PEM, or unset it", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// TLS cannot be used at all.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// The TLS configuration.
pub(super) fn config(file: Option<&Path>) -> Result<Arc<ClientConfig>, RootsError> {
    let roots = match file {
        Some(file) => of_file(file).map_err(|why| RootsError::File { file: file.to_owned(), why })?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn of_file(file: &Path) -> Result<RootCertStore, String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    // Like other programs, this skips certificates that cannot be parsed.
    let (usable, _) = roots.add_parsable_certificates(read.map_err(|error| error.to_string())?);
    if usable == 0 { Err("has no certificate".to_owned()) } else { Ok(roots) }
}
