//! Whom the API server trusts: the authority in force, and the one before it as long as that is valid.

use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{Named, issue::AUTHORITY};

/// The line before each certificate of a PEM text.
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// The authorities of a `caBundle`, each with its PEM text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    authorities: Vec<(CertificateDer<'static>, String)>,
}

impl Bundle {
    /// Reads a `caBundle`; what cannot be read is not in it.
    #[must_use]
    pub fn read(pem: &[u8]) -> Self {
        let text = String::from_utf8_lossy(pem);
        let blocks = text.split(BEGIN).skip(1).map(|rest| format!("{BEGIN}{}\n", rest.trim_end()));
        let authorities =
            blocks.filter_map(|block| Some((CertificateDer::from_pem_slice(block.as_bytes()).ok()?, block)));
        Self { authorities: authorities.collect() }
    }

    /// Whether that authority is trusted.
    #[must_use]
    pub fn trusts(&self, authority: &CertificateDer) -> bool {
        self.authorities.iter().any(|(der, _)| der == authority)
    }

    /// As PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.authorities.iter().map(|(_, pem)| pem.as_str()).collect()
    }
}

/// The bundle that there should be in place of these: this authority first, then the newest other one of ours that is valid.
/// A replica may still serve a certificate by that one.
#[must_use]
pub fn wanted(authority: &CertificateDer<'static>, pem: &str, current: &[Bundle], now: i64) -> Bundle {
    let others = current.iter().flat_map(|bundle| &bundle.authorities).filter(|(der, _)| der != authority);
    let previous = others.filter_map(|other| {
        let named = Named::read(&other.0).ok().filter(|named| named.owner == AUTHORITY && named.life.is_on(now))?;
        Some((named.life.until, other))
    });
    let previous = previous.max_by_key(|(until, _)| *until).map(|(_, other)| other.clone());
    let own = (authority.clone(), format!("{}\n", pem.trim()));
    Bundle { authorities: std::iter::once(own).chain(previous).collect() }
}
