//! Mechanisms that find the server of a key: nginx's ring, Maglev's table, rendezvous.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_crds::api::HashTable;
use evenkeel_proxy::balance::{maglev::Maglev, rendezvous, ring::Ring};
use serde::{Deserialize, Serialize};

/// A server, or a backend.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    #[serde(default = "one")]
    weight: u32,
}

fn one() -> u32 {
    1
}

/// The names that numbers stand for.
struct Names<'a>(&'a [Named]);

impl<'a> Names<'a> {
    fn pairs(&self) -> Vec<(&'a str, u32)> {
        self.0.iter().map(|server| (server.name.as_str(), server.weight)).collect()
    }

    fn of(&self, number: u32) -> &'a str {
        &self.0[usize::try_from(number).expect("a number")].name
    }

    /// Each of a walk once, in order.
    fn each(&self, walk: impl Iterator<Item = u32>) -> Vec<&'a str> {
        let mut seen = BTreeSet::new();
        walk.map(|number| self.of(number)).filter(|name| seen.insert(*name)).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RingInputs {
    servers: Vec<Named>,
    /// Keys whose servers are asked for, in the order in which they are tried.
    #[serde(default)]
    keys: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RingFound {
    /// The server of each key.
    owners: BTreeMap<String, Option<String>>,
    /// All servers of each key.
    walks: BTreeMap<String, Vec<String>>,
    /// Points of each server.
    points: BTreeMap<String, usize>,
    /// The lowest points, with their servers.
    lowest: Vec<(u32, String)>,
    is_scaled: bool,
}

/// So many points of a ring are told.
const LOWEST: usize = 8;

pub(crate) fn ring(inputs: &RingInputs, _: u64) -> RingFound {
    let names = Names(&inputs.servers);
    let ring = Ring::of(names.pairs().into_iter());
    let walk =
        |key: &String| (key.clone(), names.each(ring.walk(key.as_bytes())).iter().map(ToString::to_string).collect());
    let walks: BTreeMap<String, Vec<String>> = inputs.keys.iter().map(walk).collect();
    let mut points: BTreeMap<_, _> = inputs.servers.iter().map(|server| (server.name.clone(), 0)).collect();
    ring.points().for_each(|(_, server)| *points.entry(names.of(server).to_owned()).or_default() += 1);
    RingFound {
        owners: walks.iter().map(|(key, walk)| (key.clone(), walk.first().cloned())).collect(),
        walks,
        points,
        lowest: ring.points().take(LOWEST).map(|(hash, server)| (hash, names.of(server).to_owned())).collect(),
        is_scaled: ring.is_scaled(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaglevInputs {
    servers: Vec<Named>,
    slots: u32,
    #[serde(default)]
    keys: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct MaglevFound {
    slots: Vec<String>,
    counts: BTreeMap<String, usize>,
    owners: BTreeMap<String, Option<String>>,
    walks: BTreeMap<String, Vec<String>>,
}

pub(crate) fn maglev(inputs: &MaglevInputs, _: u64) -> MaglevFound {
    let names = Names(&inputs.servers);
    let maglev = Maglev::of(&names.pairs(), inputs.slots).expect("a table");
    let slots: Vec<String> = maglev.slots().map(|server| names.of(server).to_owned()).collect();
    let walk =
        |key: &String| (key.clone(), names.each(maglev.walk(key.as_bytes())).iter().map(ToString::to_string).collect());
    let walks: BTreeMap<String, Vec<String>> = inputs.keys.iter().map(walk).collect();
    let mut counts = BTreeMap::<_, usize>::new();
    for name in &slots {
        *counts.entry(name.clone()).or_default() += 1;
    }
    let owners = walks.iter().map(|(key, walk)| (key.clone(), walk.first().cloned())).collect();
    MaglevFound { slots, counts, owners, walks }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RendezvousInputs {
    backends: Vec<Named>,
    keys: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct RendezvousFound {
    owners: BTreeMap<String, Option<String>>,
}

pub(crate) fn rendezvous(inputs: &RendezvousInputs, _: u64) -> RendezvousFound {
    let backends = Names(&inputs.backends).pairs();
    let owner = |key: &String| {
        let found = rendezvous::find(key.as_bytes(), backends.iter().copied());
        (key.clone(), found.map(|number| backends[number].0.to_owned()))
    };
    RendezvousFound { owners: inputs.keys.iter().map(owner).collect() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MovementInputs {
    table: HashTable,
    servers: Vec<Named>,
    /// It leaves the table.
    leaves: String,
    /// The keys are `key-0` and so on.
    keys: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MovementFound {
    /// Percent of all keys that were its.
    own_percent: f64,
    /// Percent of the others' keys that move although their server stays.
    foreign_percent: f64,
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
pub(crate) fn movement(inputs: &MovementInputs, _: u64) -> MovementFound {
    let stay: Vec<_> = inputs.servers.iter().filter(|server| server.name != inputs.leaves).cloned().collect();
    let (before, after) = (owners(inputs, &inputs.servers), owners(inputs, &stay));
    let own = before.iter().filter(|owner| **owner == inputs.leaves).count();
    let pairs = before.iter().zip(&after).filter(|(before, _)| **before != inputs.leaves);
    let foreign = pairs.filter(|(before, after)| before != after).count();
    let percent = |part: usize, of: usize| part as f64 * 100.0 / of as f64;
    MovementFound { own_percent: percent(own, inputs.keys), foreign_percent: percent(foreign, inputs.keys - own) }
}

fn owners(inputs: &MovementInputs, servers: &[Named]) -> Vec<String> {
    let names = Names(servers);
    let keys = (0..inputs.keys).map(|number| format!("key-{number}"));
    let owner = |number: Option<u32>| names.of(number.expect("a server")).to_owned();
    match inputs.table {
        HashTable::Ring => {
            let ring = Ring::of(names.pairs().into_iter());
            keys.map(|key| owner(ring.walk(key.as_bytes()).next())).collect()
        }
        HashTable::Maglev => {
            let maglev = Maglev::of(&names.pairs(), 65_537).expect("a table");
            keys.map(|key| owner(maglev.walk(key.as_bytes()).next())).collect()
        }
    }
}
