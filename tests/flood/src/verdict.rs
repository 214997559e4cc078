//! Whether it was stood, and the figures.

use std::fmt;
use std::time::Duration;

use crate::cases::Case;
use crate::observe::Observed;

/// What a few connections, an allocator and the work itself cost anyhow.
const FREE_KB: u64 = 12_000;
/// The admin port has a thread of its own; on a busy machine it waits for that like everybody else.
const ADMIN: Duration = Duration::from_secs(2);

/// What a flood came to.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) case: Case,
    /// By the attackers.
    pub(crate) told: String,
    pub(crate) observed: Observed,
}

impl Verdict {
    /// What must not be.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let Self { case, observed, .. } = self;
        let good = &observed.good;
        let bound = observed.base_kb + FREE_KB + case.kb_each * case.inside();
        let refused = case.connections - case.inside();
        let mut complaints = Vec::new();
        let mut expect = |holds: bool, complaint: String| {
            if !holds {
                complaints.push(complaint);
            }
        };
        expect(observed.peak_kb <= bound, format!("{} kB of memory, above {bound}", observed.peak_kb));
        let first = good.first_failures.first();
        expect(good.counts.failed == 0, format!("{} good requests failed: {first:?}", good.counts.failed));
        expect(good.counts.ok > 0, "no good request was served".to_owned());
        expect(observed.admin.1 <= ADMIN, format!("the admin port took {:?}", observed.admin.1));
        let came = observed.clients * 10 >= case.inside() * 9;
        expect(came, format!("only {} were connected at once: that was no flood", observed.clients));
        expect(observed.refused >= refused, format!("{} were counted as refused, not {refused}", observed.refused));
        complaints
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, told, observed } = self;
        let Observed { base_kb, peak_kb, end_kb, kernel_kb, clients, refused, admin, good } = observed;
        let each = peak_kb.saturating_sub(*base_kb) * 10 / case.inside().max(1);
        let counts = &good.counts;
        writeln!(out, "{}: {told}", case.name)?;
        writeln!(
            out,
            "  RSS {base_kb} kB before, {peak_kb} at most ({}.{} for each), {end_kb} after; {clients} clients at once, {refused} refused",
            each / 10,
            each % 10
        )?;
        let (before, most) = kernel_kb;
        writeln!(out, "  kernel, for connections of the whole machine: {before} kB before, {most} at most")?;
        writeln!(
            out,
            "  good client: {} requests, {} failed, p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
            counts.total, counts.failed, counts.p50_ms, counts.p99_ms, counts.max_ms
        )?;
        write!(out, "  admin port: {} answers, the slowest took {} ms", admin.0, admin.1.as_millis())
    }
}
