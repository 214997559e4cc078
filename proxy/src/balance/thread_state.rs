//! What one thread remembers between picks of a pool: whose turn it is.
//!
//! Kept by the slots of the registry, so that a new table resets nothing: rebuilding it would give the first candidates
//! most of the traffic whenever tables come faster than requests (envoy#31378, traefik#8787, haproxy#1282).

use std::collections::HashMap;

use super::{
    Candidate, Candidates, Rule, View,
    smooth::{self, Turn},
    stride::{self, Stride},
};

/// At most so many picks are run ahead when a backend is new, so that threads and proxies do not march in step.
const MAX_PHASE: u64 = 1024;

/// Whose turn it is among a pool's backends, and among the endpoints of each.
#[derive(Clone, Debug)]
pub struct ThreadState {
    epoch: u64,
    plan: u64,
    has_phase: bool,
    pub(super) random: fastrand::Rng,
    pub(super) backends: Vec<Turns>,
    pub(super) endpoints: Vec<Turns>,
    /// By the index of [`View::backends`], of those near and far: set where there are too many candidates for smooth round robin.
    pub(super) strides: Vec<[Option<Stride>; 2]>,
    /// The sums of weights that credits were given by, of each backend's groups; of the pool's tiers under [`POOL`].
    totals: HashMap<(u64, usize), u64>,
}

/// No backend has this serial.
const POOL: u64 = 0;

/// The turns of a backend or an endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turns {
    /// The serial of whom they belong to: slots are used again.
    serial: u64,
    /// The view in which it last was a candidate.
    epoch: u64,
    /// Whether it was none in the view before that.
    pub(super) joined: bool,
    /// Smooth round robin's current weight.
    pub(super) credit: i64,
    /// The stride scheduler's, in which group, and by which weight.
    pub(super) pass: u64,
    pub(super) pass_of: (u64, usize),
    pub(super) pass_by: u32,
    /// Where draws led.
    recent: Recent,
}

/// Picks of this second and of the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    second: u64,
    now: u32,
    before: u32,
}

impl Turns {
    /// Counts a pick.
    pub(super) fn count(&mut self, second: u64) {
        let recent = &mut self.recent;
        if recent.second != second {
            recent.before = if recent.second + 1 == second { recent.now } else { 0 };
            (recent.second, recent.now) = (second, 0);
        }
        recent.now = recent.now.saturating_add(1);
    }

    /// How many picks there were in this second and the one before.
    pub(super) fn recent(&self, second: u64) -> u64 {
        match second - self.recent.second.min(second) {
            0 => u64::from(self.recent.now) + u64::from(self.recent.before),
            1 => self.recent.now.into(),
            _ => 0,
        }
    }
}

impl Turn for Candidates {
    fn weight(&self) -> u32 {
        self.weight
    }

    fn slot(&self) -> usize {
        self.state.slot
    }
}

impl Turn for Candidate {
    fn weight(&self) -> u32 {
        self.weight
    }

    fn slot(&self) -> usize {
        self.state.slot
    }
}

impl ThreadState {
    /// The state of a thread. A seed of 0 draws no phase: the first pick is the first in order.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            epoch: 0,
            plan: 0,
            has_phase: seed != 0,
            random: fastrand::Rng::with_seed(seed),
            backends: Vec::new(),
            endpoints: Vec::new(),
            strides: Vec::new(),
            totals: HashMap::new(),
        }
    }

    /// Makes room for a view, so that no pick allocates. Returns whether its plan is a new one.
    pub fn prepare(&mut self, view: &View) -> bool {
        if self.epoch == view.epoch {
            return false;
        }
        let before = std::mem::replace(&mut self.epoch, view.epoch);
        let serials = view.backends.iter().map(|backend| (backend.state.slot, backend.state.serial));
        self.backends.resize(room(&self.backends, serials.clone()), Turns::default());
        serials.for_each(|(slot, serial)| enter(&mut self.backends[slot], serial, before, view.epoch));
        let (primary, backup) = view.backends.split_at(view.primary);
        for (tier, backends) in [primary, backup].into_iter().enumerate() {
            rescale(&mut self.totals, (POOL, tier), backends, &mut self.backends);
            if before == 0 {
                let phase = self.phase(backends);
                for _ in 0..phase {
                    smooth::next(backends, &mut self.backends, |_| true);
                }
            }
        }
        self.strides.clear();
        for backend in &view.backends {
            self.enter_endpoints(backend, view.plan.rule, before, view.epoch);
        }
        let has_group = |serial, place| {
            let mut backends = view.backends.iter().filter(|backend| backend.state.serial == serial);
            backends.any(|backend| place < backend.groups().count())
        };
        self.totals.retain(|(serial, place), _| *serial == POOL || has_group(*serial, *place));
        std::mem::replace(&mut self.plan, view.plan.epoch) != view.plan.epoch
    }

    fn enter_endpoints(&mut self, backend: &Candidates, rule: Rule, before: u64, epoch: u64) {
        let mut strides = [None, None];
        for (place, group) in backend.groups().enumerate() {
            let candidates = &group.candidates;
            let serials = candidates.iter().map(|candidate| (candidate.state.slot, candidate.state.serial));
            self.endpoints.resize(room(&self.endpoints, serials.clone()), Turns::default());
            let of = (backend.state.serial, place);
            let new = !self.totals.contains_key(&of);
            serials.for_each(|(slot, serial)| enter(&mut self.endpoints[slot], serial, before, epoch));
            let stride = &mut strides[place];
            let is_long = rule == Rule::RoundRobin && candidates.len() > stride::MORE_THAN;
            *stride = is_long.then(|| Stride::prepare(of, candidates, &mut self.endpoints));
            rescale(&mut self.totals, of, candidates, &mut self.endpoints);
            // Of many only turns by stride have a phase; other rules draw.
            let has_turns = candidates.len() <= stride::MORE_THAN || is_long;
            for _ in 0..if new && has_turns { self.phase(candidates) } else { 0 } {
                match stride {
                    Some(stride) => stride.next(candidates, &mut self.endpoints, |_| true),
                    None => smooth::next(candidates, &mut self.endpoints, |_| true),
                };
            }
        }
        self.strides.push(strides);
    }

    /// How many picks to run ahead, in [0, min(Σw, 1,024)): else every thread of every proxy begins with the same candidate
    /// (kubernetes/ingress-nginx#4023, envoy#10064, traefik#8275).
    fn phase<T: Turn>(&mut self, candidates: &[T]) -> u64 {
        let total: u64 = candidates.iter().map(|candidate| u64::from(candidate.weight())).sum();
        if self.has_phase && total > 0 { self.random.u64(0..total.min(MAX_PHASE)) } else { 0 }
    }
}

/// The length that holds every slot.
fn room(turns: &[Turns], slots: impl Iterator<Item = (usize, u64)>) -> usize {
    slots.map(|(slot, _)| slot + 1).max().unwrap_or(0).max(turns.len())
}

/// Notes that a candidate is in the view. A slot that belonged to somebody else begins anew.
fn enter(turns: &mut Turns, serial: u64, before: u64, epoch: u64) {
    if turns.serial == serial && turns.epoch == epoch {
        return; // another backend has it too
    }
    if turns.serial != serial {
        *turns = Turns { serial, ..Turns::default() };
    }
    turns.joined = turns.epoch != before;
    turns.epoch = epoch;
}

/// Credit is in units of weight: when the sum of weights changes it is scaled along. Unscaled, a credit of a million from
/// weights of a million would win the next hundred thousand picks under weights of one. Who was away has none, since the
/// units of his time are forgotten; and what leavers took along is made good, so that it sums up to 0 as ever.
fn rescale<T: Turn>(totals: &mut HashMap<(u64, usize), u64>, of: (u64, usize), candidates: &[T], turns: &mut [Turns]) {
    let total: u64 = candidates.iter().map(|candidate| u64::from(candidate.weight())).sum();
    let before = totals.insert(of, total).filter(|before| *before > 0).unwrap_or(total);
    let mut sum = 0_i64;
    for candidate in candidates {
        let turns = &mut turns[candidate.slot()];
        turns.credit = match turns.credit {
            _ if turns.joined => 0,
            credit if before == total => credit,
            credit => i64::try_from(i128::from(credit) * i128::from(total) / i128::from(before)).unwrap_or(0),
        };
        sum = sum.saturating_add(turns.credit);
    }
    let excess = sum / i64::try_from(candidates.len()).unwrap_or(i64::MAX).max(1);
    for candidate in candidates {
        turns[candidate.slot()].credit -= excess;
    }
}
