//! What attackers do, and what they can tell of it afterwards.

mod crowd;
mod slow;
mod tiny;

use crate::cases::{Case, Kind};
use crate::rig::Rig;

/// Floods for so many seconds. Returns what became of the attackers, in a few words.
pub(crate) async fn run(case: &Case, rig: &Rig, seconds: u64) -> anyhow::Result<String> {
    match case.kind {
        Kind::Slow(options) => slow::run(case, options, rig, seconds).await,
        Kind::TinyFields => tiny::run(case, rig, seconds).await,
        Kind::Crowd(manner) => crowd::run(case, manner, rig, seconds).await,
    }
}
