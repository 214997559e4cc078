//! The certificate in use: swapped without touching a connection, and only when the API server trusts the next one's authority.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use rustls::{
    ServerConfig,
    crypto::ring::default_provider,
    pki_types::CertificateDer,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::time::Instant;

use super::certificate::{Kept, Life};

/// Other API servers may see a new bundle later than we do.
pub(super) const SEEN_BY_ALL: Duration = Duration::from_secs(1);

/// Clocks are set: nothing is waited for longer without another look, in seconds.
const LOOK_AGAIN: u64 = 60;

/// The certificate in use.
#[derive(Default)]
pub(super) struct Serving {
    certified: ArcSwapOption<CertifiedKey>,
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").finish_non_exhaustive() // there is a key in it
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello) -> Option<Arc<CertifiedKey>> {
        self.certified.load_full()
    }
}

impl Serving {
    /// From now on new connections see this one.
    pub(super) fn set(&self, certified: CertifiedKey) {
        self.certified.store(Some(Arc::new(certified)));
    }

    /// What is served.
    #[cfg(test)]
    pub(super) fn certificate(&self) -> Option<CertificateDer<'static>> {
        self.certified.load_full()?.cert.first().cloned()
    }
}

/// How a server with this certificate talks. The API server resumes no sessions.
pub(super) fn server_config(serving: Arc<Serving>) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let mut config = builder.with_safe_default_protocol_versions()?.with_no_client_auth().with_cert_resolver(serving);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// What is to be known of a certificate in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InUse {
    authority: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    life: Life,
}

/// What to do about a certificate that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// It is in use.
    Has,
    /// Use it.
    Now,
    /// Use it then.
    At(Instant),
    /// Wait until its authority is trusted.
    Wait,
}

impl InUse {
    pub(super) fn of(kept: &Kept) -> Self {
        Self { authority: kept.authority.clone(), certificate: kept.certificate.clone(), life: kept.facts.leaf }
    }

    /// Whether one authority made both.
    pub(super) fn is_by_the_same(&self, other: &Self) -> bool {
        self.authority == other.authority
    }
}

/// Whether to use what is offered. `trusted` says since when its authority is trusted. What is trusted as well as that in use,
/// or in place of one that is not valid any more, loses no question. What is not valid by our clock is not valid by that of an API
/// server beside us either: the clock of whoever made it may be wrong.
pub(super) fn take(in_use: Option<&InUse>, offered: &InUse, trusted: Option<Instant>, now: (Instant, i64)) -> Take {
    let Some(in_use) = in_use else { return Take::Now };
    if in_use.certificate == offered.certificate {
        return Take::Has;
    }
    if !in_use.life.is_on(now.1) {
        return Take::Now;
    }
    if !offered.life.is_on(now.1) {
        let begins = u64::try_from(offered.life.from - now.1).ok();
        return begins.map_or(Take::Wait, |seconds| Take::At(now.0 + Duration::from_secs(seconds.min(LOOK_AGAIN))));
    }
    if in_use.is_by_the_same(offered) {
        return Take::Now;
    }
    match trusted.map(|since| since + SEEN_BY_ALL) {
        Some(then) if then <= now.0 => Take::Now,
        Some(then) => Take::At(then),
        None => Take::Wait,
    }
}

#[cfg(test)]
#[path = "serving_tests.rs"]
mod tests;
