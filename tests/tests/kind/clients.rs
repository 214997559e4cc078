//! Two users of the example at once: one goes through the pool's Service, the other has a sidecar.

use evenkeel_tests::load::{Counts, LoadReport};

use crate::load::{Load, STEADY, assert_lossless, assert_shares, now_ms};
use crate::stage::Stage;

/// Both, with a load each.
pub(crate) struct Clients<'a> {
    pub(crate) service: Load<'a>,
    pub(crate) sidecar: Load<'a>,
}

impl<'a> Clients<'a> {
    /// Starts both, and waits until they run.
    pub(crate) fn steady(stage: &'a Stage, name: &str) -> Self {
        let service = Load::start(stage, name, STEADY);
        let sidecar = Load::beside(stage, &format!("{name}-beside"), STEADY);
        Self { service: service.running(), sidecar: sidecar.running() }
    }

    fn both(&self) -> [&Load<'a>; 2] {
        [&self.service, &self.sidecar]
    }

    /// Lets them go on for so many seconds from now.
    pub(crate) fn go_on(&self, seconds: u64) {
        let until = now_ms() + 1_000 * seconds; // for both the same
        self.both().iter().for_each(|load| load.go_on_until(until));
    }

    /// The first whole second of each that begins that much after a moment is shared so.
    pub(crate) fn assert_shares_after(&self, unix_ms: u64, later_ms: u64, weights: [u32; 3]) {
        for load in self.both() {
            assert_shares(&load.second_after(unix_ms, later_ms), weights);
        }
    }

    /// Waits until a whole second of each is as wanted.
    pub(crate) fn await_seconds(&self, what: &str, within: std::time::Duration, is: impl Fn(&Counts) -> bool) {
        let is = |report: &LoadReport| report.second.as_ref().is_some_and(&is);
        for load in self.both() {
            load.await_second(what, within, is);
        }
    }

    /// Ends both; neither has lost a request.
    pub(crate) fn finish_lossless(self) -> [LoadReport; 2] {
        let reports = [self.service.finish(), self.sidecar.finish()];
        reports.iter().for_each(assert_lossless);
        reports
    }
}
