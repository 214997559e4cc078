//! The conditions of a pool, from what was found out: pure.

use evenkeel_crds::{
    conditions::{self as types, reasons},
    names,
    translate::{Problem, ProblemKind},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::{
    findings::{Findings, Obstacle, OwnFindings},
    kind::Kind,
};

/// The longest message that a condition may have.
const MAX_MESSAGE_BYTES: usize = 32_768;

/// A condition without its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// Why, as one word.
    pub reason: &'static str,
    /// Why, for people.
    pub message: String,
}

/// All conditions without their times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdicts {
    /// The spec is in use.
    pub accepted: Verdict,
    /// What it refers to exists.
    pub resolved: Verdict,
    /// Proxies run it.
    pub programmed: Verdict,
}

impl Verdict {
    pub(super) fn yes(reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: "True", reason, message: message.into() }
    }

    pub(super) fn no(reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: "False", reason, message: message.into() }
    }

    fn unknown(reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: "Unknown", reason, message: message.into() }
    }
}

impl Verdicts {
    /// What the findings mean; `programmed` is judged apart.
    #[must_use]
    pub fn new(pool: &str, table: &Findings, objects: &OwnFindings, programmed: Verdict) -> Self {
        Self { accepted: accepted(pool, table, objects), resolved: resolved(table), programmed }
    }

    fn ready(&self) -> Verdict {
        let all = [&self.accepted, &self.resolved, &self.programmed];
        match all.into_iter().find(|verdict| verdict.status != "True") {
            Some(first) => Verdict::no(first.reason, first.message.clone()),
            None => Verdict::yes(reasons::READY, "all conditions are true"),
        }
    }
}

fn accepted(pool: &str, table: &Findings, objects: &OwnFindings) -> Verdict {
    let invalid = messages(&table.problems, |kind| kind == ProblemKind::Invalid);
    if !invalid.is_empty() {
        return Verdict::no(reasons::INVALID, invalid);
    }
    let mut conflicts: Vec<_> = objects.conflicts.iter().map(|kind| kind.as_str()).collect();
    if table.obstacle == Some(Obstacle::Conflict) {
        conflicts.insert(0, Kind::ConfigMap.as_str());
    }
    if conflicts.is_empty() {
        return Verdict::yes(reasons::ACCEPTED, "the spec is in use");
    }
    let message = format!(
        "{} {} exists and does not belong to this pool, so it is left alone; delete it or give the pool another name",
        conflicts.join(", "),
        names::object_name(pool),
    );
    Verdict::no(reasons::NAME_CONFLICT, message)
}

fn resolved(table: &Findings) -> Verdict {
    let unresolved = |kind: ProblemKind| kind != ProblemKind::Invalid;
    match table.problems.iter().find(|problem| unresolved(problem.kind)) {
        Some(first) => Verdict::no(reason_of(first.kind), messages(&table.problems, unresolved)),
        None if !table.accepted && table.in_force.is_none() => {
            Verdict::unknown(reasons::PENDING, "the spec is not in use, so nothing was looked up")
        }
        None => Verdict::yes(reasons::RESOLVED_REFS, "every Service and port exists"),
    }
}

fn reason_of(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::Invalid => reasons::INVALID,
        ProblemKind::BackendNotFound => reasons::BACKEND_NOT_FOUND,
        ProblemKind::PortNotFound => reasons::PORT_NOT_FOUND,
        ProblemKind::RefNotPermitted => reasons::REF_NOT_PERMITTED,
    }
}

fn messages(problems: &[Problem], wanted: impl Fn(ProblemKind) -> bool) -> String {
    let wanted: Vec<_> = problems.iter().filter(|problem| wanted(problem.kind)).map(ToString::to_string).collect();
    wanted.join("; ")
}

/// The conditions with their times: the time of the last transition moves only with the status.
#[must_use]
pub fn conditions(verdicts: &Verdicts, generation: i64, before: &[Condition], now: &Time) -> Vec<Condition> {
    let ready = verdicts.ready();
    let all = [
        (types::ACCEPTED, &verdicts.accepted),
        (types::RESOLVED_REFS, &verdicts.resolved),
        (types::PROGRAMMED, &verdicts.programmed),
        (types::READY, &ready),
    ];
    let condition = |(type_, verdict): (&str, &Verdict)| {
        let before = before.iter().find(|condition| condition.type_ == type_);
        let same = before.filter(|before| before.status == verdict.status);
        Condition {
            type_: type_.into(),
            status: verdict.status.into(),
            reason: verdict.reason.into(),
            message: shortened(&verdict.message).into(),
            observed_generation: Some(generation),
            last_transition_time: same.map_or_else(|| now.clone(), |same| same.last_transition_time.clone()),
        }
    };
    all.into_iter().map(condition).collect()
}

fn shortened(message: &str) -> &str {
    let end = message.char_indices().map(|(at, char)| at + char.len_utf8()).take_while(|end| *end <= MAX_MESSAGE_BYTES);
    &message[..end.last().unwrap_or_default()]
}

/// The conditions that users hear of by an Event: those whose status or reason changed. `Ready` only repeats another, waiting
/// for proxies is no news, nor is that what is fine is so for another reason: sidecars come and go.
pub fn transitions<'a>(before: &'a [Condition], after: &'a [Condition]) -> impl Iterator<Item = &'a Condition> {
    after.iter().filter(move |condition| {
        let before = before.iter().find(|before| before.type_ == condition.type_);
        let differs = |b: &&Condition| (&b.status, &b.reason) != (&condition.status, &condition.reason);
        let still_fine = |b: &&Condition| b.status == "True" && condition.status == "True";
        let changed = before.as_ref().is_none_or(|before| differs(before) && !still_fine(before));
        let first_and_fine = before.is_none() && condition.status == "True" && condition.type_ != types::PROGRAMMED;
        let waiting = condition.reason == reasons::PENDING;
        changed && !first_and_fine && !waiting && condition.type_ != types::READY
    })
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod tests;
