//! Who is eligible now: a plan's candidates of the class in force, with the weights in force.
//!
//! Classes, over the whole pool: ready; else serving while terminating; else nobody. A backend without a candidate of
//! the class in force is left out, so that its share goes to the others in proportion. Backups stand behind all others.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{
    BackendState, EndpointState, Plan, PlannedBackend, PlannedEndpoint,
    draw::Draws,
    hash::Lookup,
    slow_start::{self, ALL},
    zones::{self, Split, Zones},
};

/// The candidates of a plan. Immutable; swapped by pointer.
#[derive(Debug)]
pub struct View {
    /// Tells this view from every other: threads prepare their state once for each.
    pub epoch: u64,
    /// What it was made from.
    pub plan: Arc<Plan>,
    /// The backends that get traffic; then backups, for when none of those can serve.
    pub backends: Vec<Candidates>,
    /// How many of them are no backups.
    pub primary: usize,
    /// Whether somebody's slow start goes on, so that another view is due soon.
    pub is_ramping: bool,
}

/// What a view depends on besides the plan.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// The time, in Unix milliseconds.
    pub unix_ms: i64,
    /// This proxy's zone; empty if unknown.
    pub zone: &'a str,
}

/// A backend's candidates.
#[derive(Debug)]
pub struct Candidates {
    /// The backend.
    pub state: Arc<BackendState>,
    /// Its share of the pool, at least 1.
    pub weight: u32,
    /// Whether they are ready, and not just serving while they terminate.
    pub is_ready: bool,
    /// Whether it is a backup.
    pub is_backup: bool,
    /// The endpoints that are preferred: all of them, or those in this proxy's zone. Never empty.
    pub near: Group,
    /// Those in other zones, if they are told apart.
    pub far: Option<Group>,
    /// Those of the far ones, in zones that have fewer proxies than endpoints, which are for what leaves a zone with more.
    pub away: Option<Group>,
    /// How many of a thousand requests stay near, as long as the load allows.
    pub near_share: u32,
    /// Where keys find their endpoint, if keys do.
    pub lookup: Option<Lookup>,
}

/// Endpoints that are chosen among. Never empty.
#[derive(Clone, Debug)]
pub struct Group {
    /// In the plan's order.
    pub candidates: Vec<Candidate>,
    /// For draws by weight.
    pub(super) draws: Draws,
}

/// An endpoint that can be picked.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What outlives the table.
    pub state: Arc<EndpointState>,
    /// Its weight in force, in hundredths, at least 1: always, since turns remember what they were given by.
    pub weight: u32,
    /// How far its slow start is, in thousandths.
    pub ramp: u32,
    /// How far away it is, in parts of a million.
    pub distance: u32,
}

static EPOCH: AtomicU64 = AtomicU64::new(1);

impl View {
    /// The candidates of a plan.
    #[must_use]
    pub fn of(plan: Arc<Plan>, around: &Surroundings) -> Self {
        let zones = Zones::of(&plan, around.zone);
        let mut is_ramping = false;
        let mut tier = |is_backup: bool| {
            let mut of_class = |is_ready: bool| -> Vec<_> {
                let backends =
                    plan.backends.iter().filter(|backend| backend.weight > 0 && backend.is_backup == is_backup);
                let of = |backend| candidates(&plan, backend, is_ready, around, &zones, &mut is_ramping);
                backends.filter_map(of).collect()
            };
            let ready = of_class(true);
            if ready.is_empty() { of_class(false) } else { ready }
        };
        let mut backends = tier(false);
        let primary = backends.len();
        backends.extend(tier(true));
        Self { epoch: EPOCH.fetch_add(1, Relaxed), backends, primary, is_ramping, plan }
    }

    /// Whether a candidate is left that was not tried.
    #[must_use]
    pub fn has_untried(&self, tried: &[Arc<EndpointState>]) -> bool {
        self.backends.iter().any(|backend| backend.has_untried(tried))
    }
}

impl Candidates {
    /// All candidates.
    pub fn all(&self) -> impl Iterator<Item = &Candidate> {
        self.groups().flat_map(|group| &group.candidates)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        std::iter::once(&self.near).chain(&self.far)
    }

    /// Whether one of them was not tried.
    #[must_use]
    pub fn has_untried(&self, tried: &[Arc<EndpointState>]) -> bool {
        self.all().any(|candidate| candidate.is_untried(tried))
    }
}

impl Candidate {
    /// Whether it is none of those that were tried.
    #[must_use]
    pub fn is_untried(&self, tried: &[Arc<EndpointState>]) -> bool {
        !tried.iter().any(|tried| Arc::ptr_eq(tried, &self.state))
    }
}

impl Group {
    pub(super) fn of(candidates: Vec<Candidate>) -> Self {
        let draws = Draws::of(candidates.iter().map(|candidate| candidate.weight));
        Self { candidates, draws }
    }
}

/// The candidates of a backend, or none if there are none.
fn candidates(
    plan: &Plan,
    backend: &PlannedBackend,
    is_ready: bool,
    around: &Surroundings,
    zones: &Zones,
    is_ramping: &mut bool,
) -> Option<Candidates> {
    let eligible = |endpoint: &&PlannedEndpoint| endpoint.weight > 0 && endpoint.ready == is_ready;
    let endpoints: Vec<_> = backend.endpoints.iter().filter(eligible).collect();
    if endpoints.is_empty() {
        return None;
    }
    let ramps = ramps(plan, &endpoints, around.unix_ms, is_ramping);
    let of = |(endpoint, ramp): (&&PlannedEndpoint, &u32)| Candidate {
        state: Arc::clone(&endpoint.state),
        weight: slow_start::weight(endpoint.weight, *ramp),
        ramp: *ramp,
        distance: zones::distance(around.zone, &endpoint.zone),
    };
    let all: Vec<_> = endpoints.iter().zip(&ramps).map(of).collect();
    let lookup = backend.table.as_ref().map(|table| {
        Lookup::of(table, endpoints.iter().zip(&all).map(|(endpoint, candidate)| (endpoint.number, candidate.weight)))
    });
    let Split { near, far, away, near_share } = zones.split(all, &endpoints);
    Some(Candidates {
        state: Arc::clone(&backend.state),
        weight: backend.weight,
        is_ready,
        is_backup: backend.is_backup,
        near: Group::of(near),
        far: (!far.is_empty()).then(|| Group::of(far)),
        away: (!away.is_empty()).then(|| Group::of(away)),
        near_share,
        lookup,
    })
}

/// How far the slow start of each is. Where all are new there is nobody to spare them, so that none is held back.
fn ramps(plan: &Plan, endpoints: &[&PlannedEndpoint], unix_ms: i64, is_ramping: &mut bool) -> Vec<u32> {
    let ramp = |endpoint: &&PlannedEndpoint| match endpoint.state.age(endpoint.since, unix_ms) {
        Some(age) if endpoint.ready => plan.slow_start.factor(age),
        _ => ALL,
    };
    let ramps: Vec<_> = endpoints.iter().map(ramp).collect();
    *is_ramping |= ramps.iter().any(|ramp| *ramp < ALL);
    if ramps.iter().all(|ramp| *ramp < ALL) { vec![ALL; ramps.len()] } else { ramps }
}
