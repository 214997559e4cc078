//! A descriptor that the admin port keeps for itself: when there is none left, whoever looks after the proxy is still let in.

use std::{cell::RefCell, os::unix::net::UnixDatagram};

/// A socket that leads nowhere, or nothing while its descriptor is lent to a guest.
#[derive(Debug, Default)]
pub(super) struct Spare(RefCell<Option<UnixDatagram>>);

impl Spare {
    /// With a descriptor, if there is one.
    pub(super) fn new() -> Self {
        let spare = Self::default();
        spare.renew();
        spare
    }

    /// Frees the descriptor. False: there is none.
    pub(super) fn give_up(&self) -> bool {
        self.0.take().is_some()
    }

    /// Takes a descriptor again, at best in the moment in which a guest gives one back: others want it, too.
    pub(super) fn renew(&self) {
        let mut held = self.0.borrow_mut();
        if held.is_none() {
            *held = UnixDatagram::unbound().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_given_up_once_until_it_is_renewed() {
        let spare = Spare::new();
        assert_eq!([spare.give_up(), spare.give_up()], [true, false]);
        spare.renew();
        assert!(spare.give_up());
    }
}
