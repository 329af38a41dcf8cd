//! Certificates and keys of one control plane.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// A certificate authority and the folder of its certificates.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// Files of a certificate and its key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Authority {
    /// Creates an authority; its certificate is `ca.crt` in the folder.
    pub fn create(folder: &Path) -> Result<Self> {
        let key = KeyPair::generate().context("cannot make a key")?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "podidentity-e2e");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        write(&folder.join("ca.crt"), &params.self_signed(&key)?.pem())?;
        Ok(Self { folder: folder.to_owned(), issuer: Issuer::new(params, key) })
    }

    /// The authority's own certificate.
    pub fn cert(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// A certificate for a server on the loopback address. It also works as a client certificate,
    /// which etcd needs.
    pub fn server(&self, name: &str) -> Result<Identity> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, name, None)
    }

    /// A client certificate with a user name and a group.
    pub fn client(&self, user: &str, group: &str) -> Result<Identity> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, user, Some(group))
    }

    fn sign(&self, mut params: CertificateParams, name: &str, group: Option<&str>) -> Result<Identity> {
        params.distinguished_name.push(DnType::CommonName, name);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let cert = params.signed_by(&key, &self.issuer).with_context(|| format!("cannot sign {name}"))?;
        let file = name.replace(':', "-");
        self.write_pair(&file, &cert.pem(), &key)
    }

    /// The key pair that signs service account tokens. ECDSA (ES256), which Kubernetes accepts in
    /// addition to RSA and which needs no further crate.
    pub fn token_keys(&self) -> Result<Identity> {
        let key = KeyPair::generate()?;
        self.write_pair("service-account", &key.public_key_pem(), &key)
    }

    fn write_pair(&self, name: &str, public: &str, key: &KeyPair) -> Result<Identity> {
        let cert = self.folder.join(format!("{name}.crt"));
        let key_file = self.folder.join(format!("{name}.key"));
        write(&cert, public)?;
        write(&key_file, &key.serialize_pem())?;
        Ok(Identity { cert, key: key_file })
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
