//! Row h: which keys move when one of ten endpoints leaves, returns, flaps.

mod envoy;
mod haproxy;
mod nginx;
mod ours;

use evenkeel_crds::api::HashTable;

use crate::{
    demand::Demand,
    report::Row,
    run::Outcome,
    time::{MILLISECOND, Nanos, SECOND},
    world::{Endpoint, World},
};

/// How keys find their endpoint.
pub(crate) trait Keyed {
    /// Which endpoints there are now.
    fn members(&mut self, world: &World, now: Nanos);

    /// The endpoint of a key.
    fn find(&mut self, key: &str, now: Nanos) -> usize;
}

/// A way to find an endpoint by key, in the table.
#[derive(Clone, Copy)]
pub(crate) struct KeyColumn {
    pub(crate) name: &'static str,
    pub(crate) is_ours: bool,
    make: fn() -> Box<dyn Keyed>,
}

const fn column(name: &'static str, is_ours: bool, make: fn() -> Box<dyn Keyed>) -> KeyColumn {
    KeyColumn { name, is_ours, make }
}

/// All of them, in the table's order.
pub(crate) const COLUMNS: &[KeyColumn] = &[
    column("Ring", true, || Box::new(ours::table(HashTable::Ring))),
    column("Maglev", true, || Box::new(ours::table(HashTable::Maglev))),
    column("nginx", false, || Box::<nginx::Ketama>::default()),
    column("HA map", false, || Box::<haproxy::Map>::default()),
    column("HA cons", false, || Box::<haproxy::Consistent>::default()),
    column("Env ring", false, || Box::<envoy::Ring>::default()),
    column("Env magl", false, || Box::<envoy::Maglev>::default()),
];

/// What is measured.
pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::new("h  1 of 10 leaves: keys moved %", 2, 0.5),
        Row::new("h  the others' keys moved %", 2, 0.1),
        Row::new("h  it returns: keys elsewhere %", 2, 0.1),
        Row::new("h  10 flaps: the others' moves, %", 2, 0.1),
        Row::new("h  keys: the most over the mean", 3, 0.02),
    ]
}

const ENDPOINTS: usize = 10;
const KEYS: usize = 10_000;
const FLAPS: u32 = 10;
/// Longer than slow start takes.
const LATER: Nanos = 30 * SECOND;

/// The row's figures for several seeds, of which only the keys' names depend.
pub(crate) fn run(column: &KeyColumn, seeds: impl Iterator<Item = u64>) -> Outcome {
    let mut outcome = Outcome { figures: vec![Vec::new(); rows().len()], line: Vec::new() };
    for seed in seeds {
        for (figures, figure) in outcome.figures.iter_mut().zip(measure(column, seed)) {
            figures.push(figure);
        }
    }
    outcome
}

fn measure(column: &KeyColumn, seed: u64) -> Vec<f64> {
    // Each of the ten leaves once: what one had is more or less than a tenth.
    let mut sums = [0.0; 4];
    let mut pool = Pool::new(column, seed);
    for leaver in 0..ENDPOINTS {
        let flaps = if leaver == 0 { FLAPS } else { 1 };
        for (sum, figure) in sums.iter_mut().zip(pool.leave_and_return(leaver, flaps)) {
            *sum += figure;
        }
    }
    let [moved, foreign, elsewhere, flapped] = sums;
    let parts = ENDPOINTS as f64;
    vec![moved / parts, foreign / parts, elsewhere / parts, flapped, pool.most()]
}

/// Ten endpoints, of which one comes and goes.
struct Pool {
    keyed: Box<dyn Keyed>,
    world: World,
    keys: Vec<String>,
    now: Nanos,
}

impl Pool {
    fn new(column: &KeyColumn, seed: u64) -> Self {
        let world =
            World::new(1, vec![Endpoint::new(); ENDPOINTS], Demand::LogNormal { mean: MILLISECOND, sigma: 0.6 }, 0.1);
        let mut keyed = (column.make)();
        keyed.members(&world, 0);
        let keys = (0..KEYS).map(|number| format!("user-{}-{number}", seed % 1000)).collect();
        Self { keyed, world, keys, now: SECOND }
    }

    fn places(&mut self) -> Vec<usize> {
        self.keys.iter().map(|key| self.keyed.find(key, self.now)).collect()
    }

    /// One leaves and returns, then does so again and again. In percent of all keys: that moved when it left; and that it had
    /// not; that are elsewhere when it is back; that it had not and that moved while it flapped.
    fn leave_and_return(&mut self, leaver: usize, flaps: u32) -> [f64; 4] {
        let home = self.places();
        let away = self.set(leaver, false, 0);
        let back = self.set(leaver, true, LATER);
        let mut flapped = 0.0;
        let mut last = back.clone();
        for flap in 0..if flaps > 1 { 2 * flaps } else { 0 } {
            let places = self.set(leaver, flap % 2 == 1, 2 * SECOND);
            flapped += differing(&last, &places, |number| home[number] != leaver);
            last = places;
        }
        self.set(leaver, true, LATER);
        let foreign = differing(&home, &away, |number| home[number] != leaver);
        [differing(&home, &away, |_| true), foreign, differing(&home, &back, |_| true), flapped]
    }

    /// Where keys are so long after an endpoint came or went.
    fn set(&mut self, leaver: usize, is_ready: bool, after: Nanos) -> Vec<usize> {
        let joins = &mut self.world.endpoints[leaver].joins;
        match is_ready {
            true if *joins == Nanos::MAX => *joins = self.now,
            true => {}
            false => *joins = Nanos::MAX,
        }
        self.keyed.members(&self.world, self.now);
        self.now += after;
        self.places()
    }

    /// The most keys that one has, over the mean.
    fn most(&mut self) -> f64 {
        let mut counts = [0.0; ENDPOINTS];
        for place in self.places() {
            counts[place] += 1.0;
        }
        counts.into_iter().fold(0.0, f64::max) * ENDPOINTS as f64 / KEYS as f64
    }
}

/// How many keys of a hundred are elsewhere.
fn differing(before: &[usize], after: &[usize], counts: impl Fn(usize) -> bool) -> f64 {
    let moved = (0..KEYS).filter(|number| counts(*number) && before[*number] != after[*number]);
    100.0 * moved.count() as f64 / KEYS as f64
}

/// The address that every proxy knows an endpoint by.
fn address(number: usize) -> String {
    format!("10.0.0.{number}:80")
}
