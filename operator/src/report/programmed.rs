//! Whether a pool's spec is in force at every proxy: pure.

use evenkeel_crds::{api::ProxyMode, conditions::reasons};

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
    /// Why one of them cannot read the table: it is too old for it.
    pub too_old: Option<String>,
    /// Why one of them refused the table for another reason.
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
        ProxyMode::Sidecar | ProxyMode::External => {
            Verdict::yes(reasons::PUBLISHED, "the table is published for proxies that others run")
        }
        ProxyMode::Deployment => at_proxies(generation, objects, programming),
    }
}

fn at_proxies(generation: i64, objects: &OwnFindings, programming: &Programming) -> Verdict {
    let Programming { settled, total, current, too_old, refused } = programming;
    if *settled {
        return Verdict::yes(reasons::PROGRAMMED, format!("every ready proxy runs generation {generation}"));
    }
    if let Some(message) = too_old {
        return Verdict::no(reasons::PROXY_TOO_OLD, message);
    }
    if let Some(message) = &objects.refused {
        return Verdict::no(reasons::APPLY_FAILED, message);
    }
    if *total == 0 {
        return Verdict::no(reasons::PENDING, "no proxy is ready yet");
    }
    let mut message = format!("{current} of {total} ready proxies run generation {generation}");
    if let Some(refused) = refused {
        message = format!("{message}; a proxy refused the table: {refused}");
    }
    Verdict::no(reasons::PENDING, message)
}
