//! The part of the command line that is about injection.

use std::{str::FromStr, time::Duration};

use clap::Args;
use evenkeel_crds::{api::GepDuration, names};

use crate::{inject::Resources, options::ListenAddress};

/// Shorter, certificates would be made anew faster than replicas take them up.
const SHORTEST: Duration = Duration::from_secs(10);
/// Longer, one could outlive its authority, which is replaced four months before its end.
const LONGEST: Duration = Duration::from_secs(90 * 24 * 3600);

/// How pods get sidecars.
#[derive(Clone, Debug, Args)]
pub struct WebhookOptions {
    /// The MutatingWebhookConfiguration that sends pods here, whose caBundle to keep; without it, no pod gets a sidecar.
    #[arg(long = "webhook-configuration", env = "EVENKEEL_WEBHOOK_CONFIGURATION", value_name = "NAME")]
    pub configuration: Option<String>,

    /// Where the API server asks about pods; `:PORT` is that port of all addresses.
    #[arg(
        id = "webhook-address",
        long = "webhook-address",
        env = "EVENKEEL_WEBHOOK_ADDRESS",
        value_name = "ADDRESS",
        default_value = ":9443"
    )]
    pub address: ListenAddress,

    /// The names or addresses by which it does [default: evenkeel-operator.NAMESPACE.svc].
    #[arg(long = "webhook-host", env = "EVENKEEL_WEBHOOK_HOST", value_name = "HOST", value_delimiter = ',')]
    pub hosts: Vec<String>,

    /// How long a certificate is valid, 10s to 2160h; it is replaced after two thirds of that.
    #[arg(
        long = "webhook-certificate-lifetime",
        env = "EVENKEEL_WEBHOOK_CERTIFICATE_LIFETIME",
        value_name = "DURATION",
        default_value = "720h"
    )]
    pub lifetime: Lifetime,

    /// What a sidecar requests and may use where its pod's annotations do not say it, as JSON.
    #[arg(
        long = "sidecar-resources",
        env = "EVENKEEL_SIDECAR_RESOURCES",
        value_name = "JSON",
        default_value = r#"{"requests":{"cpu":"10m","memory":"24Mi"}}"#
    )]
    pub resources: Resources,
}

/// How long a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(Duration);

impl Lifetime {
    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> i64 {
        i64::try_from(self.0.as_secs()).unwrap_or(i64::MAX)
    }
}

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lifetime = GepDuration(text.into()).parse().map_err(|error| error.to_string())?;
        if (SHORTEST..=LONGEST).contains(&lifetime) {
            Ok(Self(lifetime))
        } else {
            Err("a certificate is valid for 10s to 2160h; choose a duration between them, for example 720h".into())
        }
    }
}

impl WebhookOptions {
    /// The configuration to keep, if there is one. An empty variable names nothing.
    #[must_use]
    pub fn configuration(&self) -> Option<&str> {
        self.configuration.as_deref().filter(|name| !name.is_empty())
    }

    /// The names and addresses of the certificate.
    #[must_use]
    pub fn hosts(&self, namespace: &str) -> Vec<String> {
        let named: Vec<_> = self.hosts.iter().map(|host| host.trim()).filter(|host| !host.is_empty()).collect();
        if named.is_empty() {
            return vec![format!("{}.{namespace}.svc", names::OPERATOR)];
        }
        named.into_iter().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_bounded() {
        assert_eq!("720h".parse().map(Lifetime::seconds), Ok(2_592_000));
        for text in ["", "9s", "2161h", "30d", "x"] {
            assert!(text.parse::<Lifetime>().is_err(), "{text:?}");
        }
    }
}
