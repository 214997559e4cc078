//! `pick`: from a view to the endpoint of the next attempt.

use std::sync::Arc;

use super::{
    BackendState, Candidate, Candidates, EndpointState, Group, Learns, Permit, Rule, ThreadState, Trace, Untraced,
    View, bounded,
    choose::Chooser,
    hash::{self, Lookup},
    least::{self, Load},
    rendezvous,
    slow_start::ALL,
    smooth,
    trace::Step,
};

/// What a pick depends on besides the view.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// The endpoints that were tried for this request: they are not tried again.
    pub tried: &'a [Arc<EndpointState>],
    /// The request's key, if the pool has rules for keys and the request has one.
    pub key: Option<&'a [u8]>,
    /// Milliseconds since the process began.
    pub now: u64,
}

/// An endpoint for an attempt.
#[derive(Clone, Debug)]
pub struct Picked {
    /// The backend, for metrics.
    pub backend: Arc<BackendState>,
    /// The endpoint.
    pub endpoint: Arc<EndpointState>,
    /// What became of its key, where keys choose.
    pub affinity: Option<Affinity>,
    /// Whether the backend's requests are counted, as for bounds on loads: by every rule of keys, so that there is a count when a
    /// bound is set.
    is_bounded: bool,
}

/// What became of a request's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// It went to the first endpoint of its key that is eligible.
    Kept,
    /// That one was full, is still starting, or was tried: it went to another.
    Moved,
    /// It has no key.
    NoKey,
}

impl Affinity {
    /// Every one, for metrics.
    pub const ALL: [Self; 3] = [Self::Kept, Self::Moved, Self::NoKey];

    /// The word in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Moved => "moved",
            Self::NoKey => "no_key",
        }
    }
}

impl Picked {
    /// Takes a place at the endpoint.
    #[must_use]
    pub fn permit(&self) -> Permit {
        Permit::take(Arc::clone(&self.endpoint)).counted_at(self.is_bounded.then_some(&self.backend))
    }

    /// Takes a place again where an earlier pick of the same request led: that is counted already.
    #[must_use]
    pub fn permit_again(&self) -> Permit {
        Permit::take_again(Arc::clone(&self.endpoint)).counted_at(self.is_bounded.then_some(&self.backend))
    }
}

/// Of more candidates than these, requests under way are counted together.
const MANY: usize = 64;
/// The place of a group without turns of its own.
const AWAY: usize = 2;
/// As many of a thousand.
const EVERYTHING: u32 = 1000;

/// There is no endpoint that is eligible and was not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no endpoint can serve")]
pub struct NoPick;

/// Picks an endpoint: first the backend, exactly by weight, then one of its endpoints. Allocates nothing, reads no clock.
pub fn pick(view: &View, state: &mut ThreadState, context: &Context) -> Result<Picked, NoPick> {
    pick_traced(view, state, context, &mut Untraced)
}

/// The same, and tells how.
pub fn pick_traced(
    view: &View,
    state: &mut ThreadState,
    context: &Context,
    trace: &mut impl Trace,
) -> Result<Picked, NoPick> {
    state.prepare(view);
    let index = backend(view, state, context).ok_or(NoPick)?;
    let backend = &view.backends[index];
    trace.note(|| Step::backend(backend, context.key.is_some() && is_by_key(view)));
    let (endpoint, affinity) = endpoint(view, index, state, context, trace).ok_or(NoPick)?;
    trace.note(|| Step::Picked { endpoint: endpoint.name.to_string() });
    Ok(Picked {
        backend: Arc::clone(&backend.state),
        endpoint: Arc::clone(endpoint),
        affinity,
        is_bounded: is_by_key(view),
    })
}

fn is_by_key(view: &View) -> bool {
    matches!(view.plan.rule, Rule::Key { .. })
}

/// The backend: of those that are no backups, as long as one of their endpoints was not tried; else of backups.
fn backend(view: &View, state: &mut ThreadState, context: &Context) -> Option<usize> {
    let tried = context.tried;
    let eligible = |backend: &Candidates| tried.is_empty() || backend.has_untried(tried);
    let (primary, backup) = view.backends.split_at(view.primary);
    let mut of = |backends: &[Candidates]| match context.key.filter(|_| is_by_key(view)) {
        Some(key) if backends.len() > 1 => {
            let weight = |backend: &Candidates| if eligible(backend) { backend.weight } else { 0 };
            rendezvous::find(key, backends.iter().map(|backend| (&*backend.state.name, weight(backend))))
        }
        Some(_) => backends.first().filter(|backend| eligible(backend)).map(|_| 0),
        None => smooth::next(backends, &mut state.backends, eligible),
    };
    of(primary).or_else(|| of(backup).map(|index| index + view.primary))
}

/// The endpoint of a backend.
fn endpoint<'a>(
    view: &'a View,
    index: usize,
    state: &mut ThreadState,
    context: &Context,
    trace: &mut impl Trace,
) -> Option<(&'a Arc<EndpointState>, Option<Affinity>)> {
    let backend = &view.backends[index];
    let mut affinity = None;
    let rule = view.plan.rule;
    if let (Rule::Key { max_load, .. }, Some(lookup)) = (rule, &backend.lookup) {
        if let Some((found, affinity)) = by_key(backend, lookup, max_load, context, trace) {
            return Some((&backend.near.candidates[found].state, Some(affinity)));
        }
        affinity = Some(if context.key.is_some() { Affinity::Moved } else { Affinity::NoKey });
        trace.note(|| Step::NoKey);
    }
    let leaves = backend.near_share < EVERYTHING && state.random.u32(0..EVERYTHING) >= backend.near_share;
    let mut choose = |group: &'a Group, place: usize, rule: Rule| {
        let mut none = None;
        let mut chooser = Chooser {
            group,
            turns: &mut state.endpoints,
            stride: state.strides[index].get_mut(place).unwrap_or(&mut none),
            random: &mut state.random,
            context,
            trace: &mut *trace,
        };
        let found = chooser.choose(rule)?;
        Some(&group.candidates[found])
    };
    let Some(far) = &backend.far else {
        return choose(&backend.near, 0, rule).map(|candidate| (&candidate.state, affinity));
    };
    let near = if leaves { None } else { choose(&backend.near, 0, rule) };
    let away = backend.away.as_ref().filter(|_| leaves);
    // The turns are those of all that are far.
    let away_rule = if rule == Rule::RoundRobin { Rule::Random } else { rule };
    let away = away.and_then(|away| choose(away, AWAY, away_rule));
    let (taken, by, candidate) = match near {
        None => match away.or_else(|| choose(far, 1, rule)) {
            Some(candidate) => ("far", "share", candidate),
            None => ("near", "share", choose(&backend.near, 0, rule)?),
        },
        Some(near) => match choose(far, 1, Rule::Random) {
            Some(far) if is_too_much(near, far, view.plan.zone_aware.unwrap_or(100), context.now) => {
                ("far", "load", far)
            }
            _ => ("near", "load", near),
        },
    };
    trace.note(|| Step::Zone { taken, by });
    Some((&candidate.state, affinity))
}

/// Whether one that is near has so much more to do than one that is far that of all their load more than `percent` of a hundred
/// is near.
fn is_too_much(near: &Candidate, far: &Candidate, percent: u32, now: u64) -> bool {
    if near.state.in_flight() == 0 {
        return false; // a newcomer's weight is small, but it has nothing to do
    }
    let load = |one: &Candidate| Load::of(least::pressure(&one.state, now), one.weight);
    load(near).exceeds(load(far), percent.into(), 100)
}

/// The endpoint of a key: the first from its own on that may be picked and has room.
fn by_key(
    backend: &Candidates,
    lookup: &Lookup,
    max_load: Option<u32>,
    context: &Context,
    trace: &mut impl Trace,
) -> Option<(usize, Affinity)> {
    let key = context.key?;
    let group = &backend.near;
    // Of few exactly, whatever else is under way there.
    let served = match group.candidates.len() {
        ..=MANY => group.candidates.iter().map(|candidate| candidate.state.in_flight()).sum(),
        _ => backend.state.in_flight(),
    };
    let (mut moved, mut hashed) = (false, None);
    let ramp = |hashed: &mut Option<u32>| *hashed.get_or_insert_with(|| hash::ramp(key));
    let mut gate = |index: usize| {
        let candidate = &group.candidates[index];
        let room = max_load.map(|percent| {
            let (before, total) = lookup.sums(index);
            bounded::slots(served, percent, candidate.weight, before, total)
        });
        match () {
            () if !candidate.is_untried(context.tried) => Some("tried"),
            () if room.is_some_and(|room| candidate.state.in_flight() >= room) => Some("full"),
            () if candidate.ramp < ALL && ramp(&mut hashed) >= candidate.ramp => Some("slowStart"),
            () => None,
        }
    };
    let found = lookup.find(key, |index| {
        let gate = gate(index);
        moved |= gate.is_some();
        trace.note(|| Step::looked(&group.candidates[index], context.now, Learns::Usual, gate, None, None));
        gate.is_none()
    });
    trace.note(|| Step::Key { table: lookup.name(), moved });
    found.map(|found| (found, if moved { Affinity::Moved } else { Affinity::Kept }))
}
