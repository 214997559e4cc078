//! Which requests of a pool are logged.

use super::spec::Checker;
use crate::{
    api::{AccessLogMode, BalancerPoolSpec},
    table::AccessLogPolicy,
};

/// The most requests of a hundred.
pub const MAX_SAMPLE_PERCENT: u32 = 100;

/// Writes checked settings to the policy.
pub(super) fn resolve(spec: &BalancerPoolSpec, policy: &mut AccessLogPolicy) {
    let Some(log) = &spec.access_log else { return };
    policy.mode = log.mode.unwrap_or_default();
    if let Some(percent) = log.sample_percent.and_then(|percent| u32::try_from(percent).ok()) {
        policy.sample_percent = percent;
    }
}

impl Checker<'_> {
    pub(super) fn access_log(&mut self, spec: &BalancerPoolSpec) {
        let Some((log, percent)) = spec.access_log.as_ref().and_then(|log| Some((log, log.sample_percent?))) else {
            return;
        };
        self.require(
            u32::try_from(percent).is_ok_and(|percent| (1..=MAX_SAMPLE_PERCENT).contains(&percent)),
            "spec.accessLog.samplePercent",
            "samplePercent is 1 to 100; choose a number between them",
        );
        self.require(
            log.mode == Some(AccessLogMode::Sampled),
            "spec.accessLog.samplePercent",
            "samplePercent is for the mode Sampled; choose that mode or leave samplePercent out",
        );
    }
}
