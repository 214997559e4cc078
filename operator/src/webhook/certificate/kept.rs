//! The Secret: an authority and the certificate by it, with their keys.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_crds::names::labels;
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use rcgen::{KeyPair, PublicKeyData as _};
use rustls::{
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};

use super::{
    Authority, Facts, IssueError, Named,
    read::{first, is_signed_by, public_key},
};

/// The authority's certificate.
pub const CA_CERTIFICATE: &str = "ca.crt";
/// Its key.
pub const CA_KEY: &str = "ca.key";
/// The certificate that is served.
pub const CERTIFICATE: &str = "tls.crt";
/// Its key.
pub const KEY: &str = "tls.key";

/// What the Secret holds, read and checked.
pub struct Kept {
    /// The authority's certificate.
    pub authority: CertificateDer<'static>,
    /// The certificate that is served.
    pub certificate: CertificateDer<'static>,
    /// What is to be known of the two.
    pub facts: Facts,
    data: BTreeMap<String, ByteString>,
}

impl Kept {
    /// An authority, and a certificate by it.
    pub fn make(authority: &Authority, hosts: &BTreeSet<String>, now: i64, seconds: i64) -> Result<Secret, IssueError> {
        let issued = authority.issue(hosts, now, seconds)?;
        let data = [
            (CA_CERTIFICATE, authority.certificate().to_owned()),
            (CA_KEY, authority.key()),
            (CERTIFICATE, issued.certificate),
            (KEY, issued.key),
        ];
        let data = data.map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes())));
        Ok(Secret { data: Some(data.into()), type_: Some("Opaque".into()), ..Secret::default() })
    }

    /// Reads a Secret. What is wrong with it is said without its content.
    pub fn read(secret: &Secret) -> Result<Self, String> {
        let data = secret.data.clone().unwrap_or_default();
        let pem = |key: &str| data.get(key).map(|value| value.0.as_slice()).ok_or_else(|| format!("{key} is missing"));
        let of = |key: &'static str| move |error: String| format!("{key} cannot be read: {error}");
        let authority = first(pem(CA_CERTIFICATE)?).map_err(of(CA_CERTIFICATE))?;
        let certificate = first(pem(CERTIFICATE)?).map_err(of(CERTIFICATE))?;
        let named = Named::read(&authority).map_err(of(CA_CERTIFICATE))?;
        let leaf = Named::read(&certificate).map_err(of(CERTIFICATE))?;
        let facts = Facts { authority: named.life, leaf: leaf.life, hosts: leaf.hosts };
        if !named.is_authority || !is_signed_by(&certificate, &authority)? {
            return Err(format!("{CERTIFICATE} is not signed by {CA_CERTIFICATE}"));
        }
        let kept = Self { authority, certificate, facts, data };
        let key = kept.text(CA_KEY).and_then(|pem| KeyPair::from_pem(pem).ok());
        if key.map(|key| key.subject_public_key_info()) != Some(public_key(&kept.authority)?) {
            return Err(format!("{CA_KEY} does not fit {CA_CERTIFICATE}"));
        }
        kept.certified().map_err(|_| format!("{KEY} does not fit {CERTIFICATE}"))?;
        Ok(kept)
    }

    /// The authority that signs.
    pub fn authority(&self) -> Result<Authority, IssueError> {
        let text = |key| self.text(key).unwrap_or_default(); // it was read
        Authority::kept(text(CA_CERTIFICATE), text(CA_KEY))
    }

    /// The authority's certificate as PEM.
    #[must_use]
    pub fn authority_pem(&self) -> String {
        self.text(CA_CERTIFICATE).unwrap_or_default().to_owned()
    }

    /// What a server needs.
    pub fn certified(&self) -> Result<CertifiedKey, rustls::Error> {
        let key = PrivateKeyDer::from_pem_slice(self.text(KEY).unwrap_or_default().as_bytes());
        let key = key.map_err(|error| rustls::Error::General(error.to_string()))?;
        CertifiedKey::from_der(vec![self.certificate.clone()], key, &default_provider())
    }

    fn text(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(&self.data.get(key)?.0).ok()
    }
}

/// The Secret as it is written: new content for that name, in place of `before` if there is one.
#[must_use]
pub(in crate::webhook) fn complete(
    mut content: Secret,
    namespace: &str,
    name: &str,
    before: Option<&Secret>,
) -> Secret {
    let before = before.map(|secret| secret.metadata.clone()).unwrap_or_default();
    let mut all = before.labels.unwrap_or_default();
    all.insert(labels::MANAGED_BY.into(), labels::MANAGED_BY_VALUE.into());
    content.metadata = ObjectMeta {
        name: Some(name.into()),
        namespace: Some(namespace.into()),
        labels: Some(all),
        annotations: before.annotations,
        owner_references: before.owner_references,
        finalizers: before.finalizers,
        uid: before.uid,
        resource_version: before.resource_version,
        ..ObjectMeta::default()
    };
    content
}

/// Whether it is ours to write: nothing that somebody else made is ever adopted.
#[must_use]
pub(in crate::webhook) fn is_ours(secret: &Secret) -> bool {
    let all = secret.metadata.labels.as_ref();
    all.and_then(|all| all.get(labels::MANAGED_BY)).is_some_and(|value| value == labels::MANAGED_BY_VALUE)
}
