//! The rules of other proxies, written anew from what they publish, with their defaults.

pub(crate) mod envoy;
pub(crate) mod haproxy;
pub(crate) mod linkerd;
pub(crate) mod nginx;

use crate::{time::Nanos, world::World};

/// Endpoints as most peers know them: in one level, with weights, and a counter of requests under way.
#[derive(Clone, Debug, Default)]
struct Flat {
    /// Those with a weight.
    numbers: Vec<usize>,
    /// By number; 0: not a candidate.
    weights: Vec<u64>,
    in_flight: Vec<u64>,
}

impl Flat {
    fn members(&mut self, world: &World, now: Nanos) {
        self.in_flight.resize(world.endpoints.len(), 0);
        self.weights = vec![0; world.endpoints.len()];
        self.numbers.clear();
        for (number, weight) in world.flat_weights(now).into_iter().filter(|(_, weight)| *weight > 0) {
            self.weights[number] = weight;
            self.numbers.push(number);
        }
    }

    /// One of them at random, by weight.
    fn draw(&self, random: &mut fastrand::Rng) -> usize {
        let total = self.numbers.iter().map(|number| self.weights[*number]).sum::<u64>();
        let mut left = random.u64(0..total.max(1));
        for number in &self.numbers {
            match left.checked_sub(self.weights[*number]) {
                Some(rest) => left = rest,
                None => return *number,
            }
        }
        0
    }
}

/// A cluster of one backend, as Envoy and Linkerd have: which backend is drawn at random by weight, then its rule chooses.
#[derive(Clone, Debug, Default)]
struct Clusters {
    weights: Vec<u32>,
    /// Each backend's ready endpoints.
    members: Vec<Vec<usize>>,
}

impl Clusters {
    fn members(&mut self, world: &World, now: Nanos) {
        self.members = vec![Vec::new(); world.backends.len()];
        world.ready(now).for_each(|number| self.members[world.endpoints[number].backend].push(number));
        let weight = |(weight, members): (&u32, &Vec<usize>)| if members.is_empty() { 0 } else { *weight };
        self.weights = world.backends.iter().zip(&self.members).map(weight).collect();
    }

    /// Leaves out all others. Of one backend, as zones are.
    fn keep(&mut self, wanted: impl Fn(usize) -> bool) {
        self.members.iter_mut().for_each(|members| members.retain(|number| wanted(*number)));
    }

    fn draw(&self, random: &mut fastrand::Rng) -> &[usize] {
        let mut left = random.u32(0..self.weights.iter().sum::<u32>().max(1));
        for (weight, members) in self.weights.iter().zip(&self.members) {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return members,
            }
        }
        &[]
    }
}
