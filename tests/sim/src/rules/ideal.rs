//! The ideal: it knows every queue, all work and the future, and sends each request to where it ends first.

use std::{cell::RefCell, rc::Rc};

use crate::{
    rule::{Answer, Ask, Rule},
    server::Servers,
    time::Nanos,
    world::World,
};

/// What all proxies know together.
#[derive(Debug)]
struct Known {
    world: Rc<World>,
    /// As they will be when everything that was sent has arrived.
    servers: Vec<Servers>,
    /// How often each was picked: of equal ones the one that was picked least.
    picks: Vec<u64>,
}

/// Joins the server where the request ends first. Shared by all proxies, as no real rule can be.
#[derive(Debug)]
pub(crate) struct Ideal {
    known: Rc<RefCell<Known>>,
    proxy: usize,
    now: Nanos,
}

/// The ideal of every proxy.
pub(crate) fn fleet(world: &Rc<World>, _seed: u64) -> Vec<Box<dyn Rule>> {
    let servers = world.endpoints.iter().map(Servers::new).collect();
    let known =
        Rc::new(RefCell::new(Known { world: Rc::clone(world), servers, picks: vec![0; world.endpoints.len()] }));
    let of = |proxy| Box::new(Ideal { known: Rc::clone(&known), proxy, now: 0 }) as Box<dyn Rule>;
    (0..world.proxies.len()).map(of).collect()
}

impl Rule for Ideal {
    fn members(&mut self, _: &World, now: Nanos) {
        self.now = now;
    }

    fn pick(&mut self, ask: &Ask) -> usize {
        let known = &mut *self.known.borrow_mut();
        let world = Rc::clone(&known.world);
        let reaches = |number: usize| ask.now + world.hop(self.proxy, number);
        let end = |number: usize| {
            let served = known.servers[number].foresee(&world.endpoints[number], reaches(number), ask.work);
            (served.failed, served.end + world.hop(self.proxy, number), known.picks[number])
        };
        let weighted = |number: &usize| world.backends[world.endpoints[*number].backend] > 0;
        let best = world.ready(ask.now).filter(weighted).min_by_key(|number| end(*number)).unwrap_or(0);
        known.picks[best] += 1;
        known.servers[best].take(&world.endpoints[best], reaches(best), ask.work);
        best
    }

    fn sent(&mut self, _: usize) {}

    fn answered(&mut self, _: &Answer) {}
}
