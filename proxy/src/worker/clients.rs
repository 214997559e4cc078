//! The clients of a worker: a list to look through with every tick.

use std::{cell::RefCell, rc::Rc, time::Duration};

use super::pace::{Clock, Pace, TICK};

/// The clients that are connected to a worker.
#[derive(Debug, Default)]
pub(super) struct Clients {
    clock: Clock,
    paces: RefCell<Vec<Rc<Pace>>>,
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
        if let Some(moved) = paces.get(index) {
            moved.place.set(index);
        }
    }

    /// Calls those whose patience is over, so long after the worker began.
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
}
