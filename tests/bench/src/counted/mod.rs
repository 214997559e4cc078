//! What can be counted instead of timed: the same on a busy machine as on an idle one.
//!
//! A proxy is started twice, for few requests and for many; the difference is what requests cost, without start and end.

mod calls;
mod idle;
mod instructions;

use anyhow::bail;

pub(crate) use self::calls::calls;
pub(crate) use self::idle::idle;
pub(crate) use self::instructions::{folder, instructions};
use crate::rig::{Peer, Place, Running, Setting, Under, drive};
use crate::works::Work;

/// What is counted, of whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) peer: &'static Peer,
    pub(crate) setting: Setting,
    pub(crate) work: &'static Work,
}

impl Subject {
    /// Our proxy with one thread and four endpoints.
    pub(crate) fn evenkeel(work: &'static Work) -> Self {
        Self { peer: Peer::evenkeel(), setting: Setting::default(), work }
    }

    /// Starts the proxy under a tool, sends so many requests, ends it. The backend runs already.
    fn run(&self, place: &Place, under: Under<'_>, requests: u64) -> anyhow::Result<()> {
        let running = Running::start(place, self.peer, self.setting, under)?;
        let report = drive(place, self.work, self.peer.port, requests)?;
        if report.errors + report.reconnects > 0 {
            bail!("{}, work {}: not every request was answered: {report:?}", self.peer.name, self.work.name);
        }
        running.stop()
    }

    /// The difference a request of what `count` finds for few requests and for many.
    fn difference(&self, mut count: impl FnMut(u64) -> anyhow::Result<u64>) -> anyhow::Result<f64> {
        let (few, many) = self.work.counted;
        let (before, after) = (count(few)?, count(many)?);
        let Some(cost) = after.checked_sub(before) else {
            bail!("{}: {few} requests cost more than {many}: {before} and {after}", self.work.name);
        };
        Ok(float(cost) / float(many - few))
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
