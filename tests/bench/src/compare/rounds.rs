//! Interleaved rounds: each proxy once, then each once more, the first place rotating. Noise then meets all of them alike.

use serde::Serialize;

use crate::counted::float;
use crate::load::Report;
use crate::output::say;
use crate::rig::{Backend, Peer, Place, Running, Setting, Under, cpu, drive};
use crate::works::Work;

/// Before the first round each proxy fills its pools and caches with a part of a run, which is not counted.
const WARM_UP: f64 = 0.125;

/// One run of one work through one proxy.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Run {
    pub(super) work: &'static str,
    pub(super) peer: &'static str,
    pub(super) round: usize,
    /// CPU time a request of the proxy, its threads and its children.
    pub(super) cpu_us: f64,
    pub(super) backend_us: f64,
    /// The share of its core that the proxy used.
    pub(super) busy: f64,
    #[serde(flatten)]
    pub(super) report: Report,
}

/// All proxies, running.
pub(super) struct Rig<'a> {
    place: &'a Place,
    backend: &'a Backend,
    proxies: Vec<(&'static Peer, Running)>,
}

impl<'a> Rig<'a> {
    pub(super) fn start(place: &'a Place, peers: &[&'static Peer], backend: &'a Backend) -> anyhow::Result<Self> {
        let start =
            |&peer: &&'static Peer| Ok((peer, Running::start(place, peer, Setting::default(), Under::Nothing)?));
        let proxies = peers.iter().map(start).collect::<anyhow::Result<_>>()?;
        Ok(Self { place, backend, proxies })
    }

    pub(super) fn rounds(&self, work: &Work, rounds: usize, scale: f64) -> anyhow::Result<Vec<Run>> {
        for (peer, proxy) in &self.proxies {
            self.measure(work, peer, proxy, 0, scale * WARM_UP)?;
        }
        let mut runs = Vec::new();
        for round in 0..rounds {
            let first = round % self.proxies.len();
            for (peer, proxy) in self.proxies[first..].iter().chain(&self.proxies[..first]) {
                let run = self.measure(work, peer, proxy, round, scale)?;
                warn(&run)?;
                runs.push(run);
            }
        }
        Ok(runs)
    }

    fn measure(&self, work: &Work, peer: &Peer, proxy: &Running, round: usize, scale: f64) -> anyhow::Result<Run> {
        let before = (cpu(proxy.id()), cpu(self.backend.id()));
        let report = drive(self.place, work, peer.port, requests(work, scale))?;
        let after = (cpu(proxy.id()), cpu(self.backend.id()));
        let spent = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
        let each = 1e6 / float(report.done.max(1));
        Ok(Run {
            work: work.name,
            peer: peer.name,
            round,
            cpu_us: spent.0.as_secs_f64() * each,
            backend_us: spent.1.as_secs_f64() * each,
            busy: spent.0.as_secs_f64() / report.seconds,
            report,
        })
    }

    pub(super) fn stop(self) -> anyhow::Result<()> {
        self.proxies.into_iter().try_for_each(|(_, proxy)| proxy.stop())
    }
}

/// Fewer than a few rounds of all connections would measure their start.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of requests")]
fn requests(work: &Work, scale: f64) -> u64 {
    let least = 4 * work.connections as u64;
    ((float(work.requests) * scale) as u64).max(least)
}

fn warn(run: &Run) -> anyhow::Result<()> {
    let Report { errors, reconnects, .. } = run.report;
    if errors + reconnects > 0 {
        say(&format!("!! {} {}: {errors} errors, {reconnects} connections closed in between", run.work, run.peer))?;
    }
    Ok(())
}
