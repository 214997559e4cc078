//! Memory of an idle client connection: the slope between few of them and many, so that base and pools fall out.

use std::time::Duration;

use serde::Serialize;

use super::float;
use crate::rig::{Peer, Place, Running, Setting, Under, drive, hold, memory_kb, settled};
use crate::works::Work;

/// A proxy may give back what idle connections do not need, but not for ever.
const SETTLE: Duration = Duration::from_secs(15);
/// Enough to touch every path once.
const FIRST: u64 = 2_000;

/// RSS in kB.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Idle {
    /// Before any connection, after some requests.
    pub(crate) base: u64,
    pub(crate) few: u64,
    pub(crate) many: u64,
    /// When all are closed again.
    pub(crate) after: u64,
    /// kB a connection.
    pub(crate) slope: f64,
}

/// Measures a fresh proxy that has nothing else to do.
pub(crate) fn idle(place: &Place, peer: &'static Peer, few: usize, many: usize) -> anyhow::Result<Idle> {
    let running = Running::start(place, peer, Setting::default(), Under::Nothing)?;
    if let Some(work) = Work::named("1k") {
        drive(place, work, peer.port, FIRST)?;
    }
    let memory = || settled(SETTLE, || memory_kb(running.id()));
    let base = memory();
    let with = |connections| {
        let held = hold(place, peer.port, connections)?;
        let kb = memory();
        drop(held);
        anyhow::Ok(kb)
    };
    let (at_few, at_many) = (with(few)?, with(many)?);
    let after = memory();
    running.stop()?;
    let slope = float(at_many.saturating_sub(at_few)) / float((many - few) as u64);
    Ok(Idle { base, few: at_few, many: at_many, after, slope })
}
