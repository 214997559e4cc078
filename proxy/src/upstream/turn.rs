//! Which turn of its runtime a thread is in: what happened at its sockets before a turn began, the runtime has heard.

use std::cell::Cell;

thread_local! {
    static TURN: Cell<u32> = const { Cell::new(0) };
}

/// Begins the next turn. For the runtime, when it has looked at its sockets.
pub(crate) fn begin() {
    TURN.set(TURN.get().wrapping_add(1));
}

/// The turn that this thread is in.
pub(super) fn now() -> u32 {
    TURN.get()
}
