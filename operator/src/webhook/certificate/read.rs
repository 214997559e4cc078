//! What a certificate says: for how long, for whom, and by whom.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use x509_parser::{extensions::GeneralName, parse_x509_certificate, prelude::X509Certificate};

/// From when until when, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// The first second.
    pub from: i64,
    /// The last second.
    pub until: i64,
}

impl Life {
    /// Whether it has begun and not ended.
    #[must_use]
    pub fn is_on(self, now: i64) -> bool {
        (self.from..=self.until).contains(&now)
    }
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// For how long it is valid.
    pub life: Life,
    /// The names and addresses that it is for.
    pub hosts: BTreeSet<String>,
    /// The name of its owner.
    pub owner: String,
    /// Whether it may sign others.
    pub is_authority: bool,
}

impl Named {
    /// Reads a certificate.
    pub fn read(der: &CertificateDer) -> Result<Self, String> {
        let certificate = parse(der)?;
        let validity = certificate.validity();
        let life = Life { from: validity.not_before.timestamp(), until: validity.not_after.timestamp() };
        let owner = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        let owner = owner.unwrap_or_default().to_owned();
        Ok(Self { life, hosts: hosts(&certificate), owner, is_authority: certificate.is_ca() })
    }
}

/// Whether that authority signed the certificate.
pub(super) fn is_signed_by(der: &CertificateDer, authority: &CertificateDer) -> Result<bool, String> {
    let (certificate, authority) = (parse(der)?, parse(authority)?);
    Ok(certificate.verify_signature(Some(authority.public_key())).is_ok())
}

/// The public key of a certificate, as it stands there.
pub(super) fn public_key(der: &CertificateDer) -> Result<Vec<u8>, String> {
    Ok(parse(der)?.public_key().raw.to_vec())
}

/// The first certificate of a PEM text.
pub(super) fn first(pem: &[u8]) -> Result<CertificateDer<'static>, String> {
    CertificateDer::from_pem_slice(pem).map_err(|error| error.to_string())
}

fn parse<'a>(der: &'a CertificateDer) -> Result<X509Certificate<'a>, String> {
    parse_x509_certificate(der).map(|(_, certificate)| certificate).map_err(|error| error.to_string())
}

fn hosts(certificate: &X509Certificate) -> BTreeSet<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.into_iter().flat_map(|names| &names.value.general_names);
    names.filter_map(host).collect()
}

fn host(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).into());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}
