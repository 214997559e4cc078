//! The clients of a worker: a list to look through with every tick.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

use super::pace::{Clock, Pace, TICK};

/// So many may have a parser, whatever they do: some 3 MB a worker.
const MANY_AWAKE: usize = 256;
/// How many are looked at when one wakes: each is looked at twice before it must rest.
const LOOKED_AT: usize = 4;

/// The clients that are connected to a worker.
#[derive(Debug, Default)]
pub(super) struct Clients {
    clock: Clock,
    paces: RefCell<Vec<Rc<Pace>>>,
    /// Who has a parser, about in the order in which they got it, with the requests that they had made when they were looked
    /// at. Who came to rest is still in it until it is looked at.
    awake: RefCell<VecDeque<(Rc<Pace>, u32)>>,
}

impl Clients {
    /// Takes a client into the list.
    pub(super) fn enter(&self, spread: u32) -> Rc<Pace> {
        let pace = Rc::new(Pace::new(self.clock.clone(), spread));
        let mut paces = self.paces.borrow_mut();
        pace.place.set(paces.len());
        paces.push(Rc::clone(&pace));
        pace
    }

    /// Takes a client out again.
    pub(super) fn leave(&self, client: &Pace) {
        let mut paces = self.paces.borrow_mut();
        let index = client.place.get();
        paces.swap_remove(index);
        client.set_lean(true);
        if let Some(moved) = paces.get(index) {
            moved.place.set(index);
        }
    }

    /// Takes note of a client that gets a parser. Where many have one, whoever made no request since it was looked at must do
    /// without: what a burst of clients took at once, the system would not get back.
    pub(super) fn wake(&self, client: &Rc<Pace>) {
        let mut awake = self.awake.borrow_mut();
        if !client.is_listed.replace(true) {
            awake.push_back((Rc::clone(client), client.requests()));
        }
        for _ in 0..LOOKED_AT {
            let are_many = self.clock.awake() > MANY_AWAKE;
            if !are_many && awake.len() <= 2 * MANY_AWAKE {
                return;
            }
            let Some((other, seen)) = awake.pop_front() else { return };
            if are_many && other.is_resting() && other.requests() == seen {
                other.is_listed.set(false);
                other.make_rest();
            } else if other.is_lean() {
                other.is_listed.set(false);
            } else {
                let seen = other.requests();
                awake.push_back((other, seen));
            }
        }
    }

    /// Calls those whose patience is over or who could do with less, so long after the worker began.
    pub(super) fn tick(&self, age: Duration) {
        self.clock.set(u32::try_from(age.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX / 2));
        self.paces.borrow().iter().for_each(|pace| pace.tick());
    }

    /// Calls all: something has changed that each must look at.
    pub(super) fn call_all(&self) {
        self.paces.borrow().iter().for_each(|pace| pace.call());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_leaves_is_looked_at_no_more_and_the_others_still_are() {
        let clients = Clients::default();
        let [first, second, third] = std::array::from_fn(|_| clients.enter(0));
        clients.leave(&first);
        clients.leave(&third);
        clients.tick(Duration::from_secs(80));
        assert_eq!([&first, &second, &third].map(|pace| pace.is_over()), [false, true, false]);
        clients.leave(&second);
        assert!(clients.paces.borrow().is_empty());
    }

    /// A client that asks for the first time, and gets an answer.
    fn asks(clients: &Clients) -> Rc<Pace> {
        let pace = clients.enter(0);
        pace.set_lean(false);
        clients.wake(&pace);
        ask(&pace);
        pace
    }

    fn ask(pace: &Pace) {
        pace.read();
        pace.begin(false);
        pace.answer();
        pace.rest();
    }

    #[test]
    fn who_rests_and_wakes_for_days_is_in_the_list_once() {
        let clients = Clients::default();
        let client = asks(&clients);
        for _ in 0..10_000 {
            client.set_lean(true);
            client.set_lean(false);
            clients.wake(&client);
            ask(&client);
        }
        assert_eq!(clients.awake.borrow().len(), 1);
    }

    #[test]
    fn of_a_burst_of_clients_few_keep_a_parser_but_none_that_goes_on_asking() {
        let clients = Clients::default();
        let busy: Vec<_> = (0..20).map(|_| asks(&clients)).collect();
        let waiting = clients.enter(0);
        waiting.set_lean(false);
        clients.wake(&waiting);
        waiting.read();
        waiting.begin(false);
        let mut others = Vec::new();
        for _ in 0..3_000 {
            others.push(asks(&clients));
            for pace in &busy {
                ask(pace);
            }
            for other in &others {
                if other.has_rested() {
                    other.set_lean(true);
                }
            }
        }
        let awake = |paces: &[Rc<Pace>]| paces.iter().filter(|pace| !pace.is_lean()).count();
        assert!((MANY_AWAKE / 2..=MANY_AWAKE).contains(&awake(&others)), "{}", awake(&others));
        assert_eq!(busy.iter().filter(|pace| pace.has_rested()).count(), 0);
        assert!(!waiting.has_rested());
        assert!(clients.awake.borrow().len() <= 2 * MANY_AWAKE + 1);
    }

    #[test]
    fn clients_that_come_and_go_cost_nobody_the_parser() {
        let clients = Clients::default();
        let stays = asks(&clients);
        for _ in 0..5_000 {
            clients.leave(&asks(&clients));
        }
        assert!(!stays.has_rested() && clients.clock.awake() == 1);
        assert!(clients.awake.borrow().len() <= 2 * MANY_AWAKE + 1, "{}", clients.awake.borrow().len());
    }
}
