//! Whether a pool's spec is in force at every proxy: pure.

use evenkeel_crds::{api::ProxyMode, conditions::reasons, names::ADMIN_PORT};

use super::conditions::Verdict;
use crate::findings::{Findings, Obstacle, OwnFindings};

/// How many ready proxies have the published policy, and what those say that do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programming {
    /// Every ready proxy had this generation at some time: from then on the condition is settled.
    pub settled: bool,
    /// The ready proxies.
    pub total: usize,
    /// Those that run the published policy.
    pub current: usize,
    /// Those of the others that did not answer.
    pub silent: usize,
    /// Those of the others that say that they do not serve the pool.
    pub strangers: usize,
    /// Who cannot read the table, being too old for it, and why: `NAME: MESSAGE`. It need not be ready.
    pub too_old: Option<String>,
    /// Who refused the table for another reason.
    pub refused: Option<String>,
}

/// The condition `Programmed`.
#[must_use]
pub fn programmed(table: &Findings, objects: &OwnFindings, programming: &Programming) -> Verdict {
    match &table.obstacle {
        Some(Obstacle::TooLarge(message)) => return Verdict::no(reasons::TABLE_TOO_LARGE, message),
        Some(Obstacle::Refused(message)) => return Verdict::no(reasons::APPLY_FAILED, message),
        Some(Obstacle::Conflict) => return Verdict::no(reasons::PENDING, "no table can be published"),
        Some(Obstacle::Leftover) => {
            return Verdict::no(reasons::PENDING, "waiting until what an earlier pool of this name left is collected");
        }
        None => {}
    }
    let generation = table.generation;
    match &table.in_force {
        Some(in_force) if in_force.generation == generation => {}
        Some(in_force) if !table.accepted => {
            let message = format!("generation {} stays in force, since {generation} is invalid", in_force.generation);
            return Verdict::no(reasons::PENDING, message);
        }
        _ => return Verdict::no(reasons::PENDING, format!("generation {generation} is not published yet")),
    }
    match table.mode {
        ProxyMode::External => Verdict::yes(reasons::PUBLISHED, "the table is published for proxies that others run"),
        ProxyMode::Deployment => at_proxies(generation, objects, programming),
        ProxyMode::Sidecar => at_sidecars(generation, objects, programming),
    }
}

fn at_proxies(generation: i64, objects: &OwnFindings, programming: &Programming) -> Verdict {
    if programming.settled {
        return Verdict::yes(reasons::PROGRAMMED, format!("every ready proxy runs generation {generation}"));
    }
    if let Some(verdict) = refused(programming, "proxy").or_else(|| failed(objects)) {
        return verdict;
    }
    if programming.total == 0 {
        return Verdict::no(reasons::PENDING, "no proxy is ready yet");
    }
    Verdict::no(reasons::PENDING, waiting("proxies", generation, programming))
}

/// One that refuses the table never gets ready, so that its pod waits: that is told whatever the others run.
fn at_sidecars(generation: i64, objects: &OwnFindings, programming: &Programming) -> Verdict {
    if let Some(verdict) = refused(programming, "sidecar") {
        return verdict;
    }
    if let Some(verdict) = failed(objects).filter(|_| !programming.settled || programming.total == 0) {
        return verdict;
    }
    if programming.total == 0 {
        let message = "the table is published; no sidecar is ready, and those that start run it";
        return Verdict::yes(reasons::PUBLISHED, message);
    }
    if programming.settled {
        return Verdict::yes(reasons::PROGRAMMED, format!("every ready sidecar runs generation {generation}"));
    }
    Verdict::no(reasons::PENDING, waiting("sidecars", generation, programming))
}

fn refused(programming: &Programming, proxy: &str) -> Option<Verdict> {
    if let Some(message) = &programming.too_old {
        return Some(Verdict::no(reasons::PROXY_TOO_OLD, format!("a {proxy} is too old for the table, {message}")));
    }
    let message = programming.refused.as_ref()?;
    Some(Verdict::no(reasons::PROXY_REFUSED, format!("a {proxy} refused the table, {message}")))
}

fn failed(objects: &OwnFindings) -> Option<Verdict> {
    Some(Verdict::no(reasons::APPLY_FAILED, objects.refused.clone()?))
}

fn waiting(proxies: &str, generation: i64, programming: &Programming) -> String {
    let Programming { total, current, silent, strangers, .. } = programming;
    let mut parts = vec![format!("{current} of {total} ready {proxies} run generation {generation}")];
    if *silent > 0 {
        parts.push(format!("{silent} did not answer at port {ADMIN_PORT}, which the operator must be able to reach"));
    }
    if *strangers > 0 {
        parts.push(format!("{strangers} do not serve this pool, though their pods' annotation names it"));
    }
    parts.join("; ")
}
