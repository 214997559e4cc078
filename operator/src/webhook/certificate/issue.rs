//! Makes an authority, and certificates by it. ECDSA P-256: fast to sign, and known to every client.

use std::collections::BTreeSet;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;

use super::Life;

/// The owner's name in an authority's certificate: so ours are told from others.
pub(super) const AUTHORITY: &str = "evenkeel-operator webhook CA";

/// How long an authority lives: two thirds of a year until the next one, and a third in which both are trusted.
const AUTHORITY_SECONDS: i64 = 365 * 24 * 3600;
/// Clocks of nodes differ, some by far: what was made just now is valid everywhere.
const BACKDATED_SECONDS: i64 = 24 * 3600;

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate: {0}")]
pub struct IssueError(String);

impl From<rcgen::Error> for IssueError {
    fn from(error: rcgen::Error) -> Self {
        Self(error.to_string())
    }
}

/// Who signs: a certificate and its key.
pub struct Authority {
    certificate: String,
    key: KeyPair,
}

/// A certificate and its key, both as PEM.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Authority {
    /// A new one.
    pub fn make(now: i64) -> Result<Self, IssueError> {
        let key = KeyPair::generate()?;
        let life = Life { from: now - BACKDATED_SECONDS, until: now + AUTHORITY_SECONDS };
        let mut params = params(AUTHORITY, life)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Ok(Self { certificate: params.self_signed(&key)?.pem(), key })
    }

    /// One that was kept.
    pub(super) fn kept(certificate: &str, key: &str) -> Result<Self, IssueError> {
        Ok(Self { certificate: certificate.into(), key: KeyPair::from_pem(key)? })
    }

    /// Its certificate as PEM.
    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its key as PEM.
    pub(super) fn key(&self) -> String {
        self.key.serialize_pem()
    }

    /// A certificate for these names and addresses.
    pub(super) fn issue(&self, hosts: &BTreeSet<String>, now: i64, seconds: i64) -> Result<Issued, IssueError> {
        let key = KeyPair::generate()?;
        let life = Life { from: now - BACKDATED_SECONDS, until: now + seconds };
        let mut params = params("evenkeel-operator", life)?;
        params.subject_alt_names = CertificateParams::new(hosts.iter().cloned().collect::<Vec<_>>())?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, &self.key)?;
        Ok(Issued { certificate: params.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
    }
}

fn params(owner: &str, life: Life) -> Result<CertificateParams, IssueError> {
    let time = |seconds| OffsetDateTime::from_unix_timestamp(seconds).map_err(|error| IssueError(error.to_string()));
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, owner); // in place of the default's
    (params.not_before, params.not_after) = (time(life.from)?, time(life.until)?);
    Ok(params)
}
