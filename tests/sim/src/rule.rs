//! What every rule of choosing is to the simulator: one proxy's view of its own requests, nothing more.

use std::rc::Rc;

use crate::{time::Nanos, world::World};

/// A request for which an endpoint is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) now: Nanos,
    /// How much work it is. Only the ideal may look at it.
    pub(crate) work: Nanos,
}

/// The head of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) now: Nanos,
    pub(crate) endpoint: usize,
    /// Since the pick.
    pub(crate) latency: Nanos,
    /// A status that says that the endpoint is to blame.
    pub(crate) failed: bool,
}

/// A rule of choosing, in one proxy.
pub(crate) trait Rule {
    /// Which endpoints there are now: called once in the beginning, and whenever that changes.
    fn members(&mut self, world: &World, now: Nanos);

    /// An endpoint for a request, by its number.
    fn pick(&mut self, ask: &Ask) -> usize;

    /// The request was sent there.
    fn sent(&mut self, endpoint: usize);

    /// Its answer came.
    fn answered(&mut self, answer: &Answer);

    /// A tenth of a second went by.
    fn tick(&mut self, _now: Nanos) {}
}

/// Makes the rule of every proxy of a world.
pub(crate) type Fleet = fn(&Rc<World>, u64) -> Vec<Box<dyn Rule>>;

/// A fleet of rules that share nothing.
pub(crate) fn fleet<R: Rule + 'static>(world: &World, seed: u64, make: impl Fn(usize, u64) -> R) -> Vec<Box<dyn Rule>> {
    let proxies = 0..world.proxies.len();
    proxies.map(|proxy| Box::new(make(proxy, seeded(seed, proxy as u64))) as Box<dyn Rule>).collect()
}

/// One seed from two (the finaliser of `SplitMix64`).
pub(crate) fn seeded(seed: u64, number: u64) -> u64 {
    let mixed = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).max(1)
}
