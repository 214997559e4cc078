//! What a pool tries again, and how often.

use std::collections::BTreeSet;

use super::spec::{Checker, set_ms};
use crate::{
    api::{BalancerPoolSpec, GepDuration, RetryCode},
    table::RetryPolicy,
};

/// The most times that a request is sent again.
pub const MAX_ATTEMPTS: u8 = 10;
/// The most statuses of a list.
pub const MAX_CODES: usize = 32;
/// The longest pause between attempts (Envoy: ten times the least, 25 ms).
pub const MAX_BACKOFF_MS: u64 = 250;
/// The longest time over which a budget counts.
pub const MAX_BUDGET_INTERVAL_MS: u64 = 60_000;

/// Writes checked settings to the policy.
pub(super) fn resolve(spec: &BalancerPoolSpec, policy: &mut RetryPolicy) {
    let Some(retry) = &spec.retry else { return };
    set(&mut policy.attempts, retry.attempts);
    // As a set: the order means nothing, and must not change the revision.
    let codes: BTreeSet<_> = retry.codes.iter().flatten().filter_map(|code| code.status()).collect();
    policy.codes = codes.into_iter().collect();
    set_ms(&mut policy.backoff_ms, retry.backoff.as_ref());
    if let Some(budget) = &retry.budget {
        set(&mut policy.budget_percent, budget.percent);
        set_ms(&mut policy.budget_interval_ms, budget.interval.as_ref());
    }
}

fn set(number: &mut u8, given: Option<i32>) {
    if let Some(given) = given.and_then(|given| u8::try_from(given).ok()) {
        *number = given;
    }
}

impl Checker<'_> {
    pub(super) fn retry(&mut self, spec: &BalancerPoolSpec) {
        let Some(retry) = &spec.retry else { return };
        self.require(
            retry.attempts.is_none_or(|attempts| (0..=i32::from(MAX_ATTEMPTS)).contains(&attempts)),
            "spec.retry.attempts",
            "attempts is 0 to 10; choose a number between them",
        );
        self.codes(retry.codes.as_deref().unwrap_or_default());
        self.within(
            retry.backoff.as_ref(),
            |ms| (1..=MAX_BACKOFF_MS.into()).contains(&ms),
            "spec.retry.backoff",
            "backoff is 1ms to 250ms, for example 25ms; choose a value between them",
        );
        let Some(budget) = &retry.budget else { return };
        self.require(
            budget.percent.is_none_or(|percent| (0..=100).contains(&percent)),
            "spec.retry.budget.percent",
            "percent is 0 to 100; choose a number between them",
        );
        self.within(
            budget.interval.as_ref(),
            |ms| (1_000..=MAX_BUDGET_INTERVAL_MS.into()).contains(&ms) && ms % 1_000 == 0,
            "spec.retry.budget.interval",
            "interval is 1s to 60s, in whole seconds, for example 10s; choose one of them",
        );
    }

    fn codes(&mut self, codes: &[RetryCode]) {
        let field = "spec.retry.codes";
        self.require(codes.len() <= MAX_CODES, field, "at most 32 statuses are listed; remove some of them");
        let mut seen = BTreeSet::new();
        for (index, code) in codes.iter().enumerate() {
            let field = format!("{field}[{index}]");
            self.require(
                code.status().is_some(),
                &field,
                "other answers say that the request is wrong; list 429 or statuses from 500 to 599",
            );
            self.require(seen.insert(code.0), &field, "this status stands here twice; remove one of the two");
        }
    }

    pub(super) fn within(
        &mut self,
        given: Option<&GepDuration>,
        is_allowed: impl Fn(u128) -> bool,
        field: &str,
        message: &str,
    ) {
        match given.map(GepDuration::parse) {
            None => {}
            Some(Ok(duration)) => self.require(is_allowed(duration.as_millis()), field, message),
            Some(Err(error)) => self.require(false, field, &error.to_string()),
        }
    }
}
