//! Leader election: several replicas follow the cluster, one of them writes.
//!
//! ```text
//! Lease ──watch──▶ Election (the rule, pure) ──write──▶ Lease
//!                     │ leads until
//!                     ▼
//!                   Gate ◀── every other write asks it at the moment of sending
//! ```
//!
//! The rule is client-go's: no clock but our own counts. A leader leads for ten seconds from when it *sent* its last successful
//! renewal; another takes over fifteen seconds after it *saw* the last one, at the earliest. So with clocks that run equally fast
//! there is no moment in which two pass the gate, whatever is delayed, lost or paused. The clock is Linux' monotonic one, which
//! runs on while a process is stopped, and stands still while a whole machine is suspended: one that wakes up may send a write of
//! a moment ago. It is the API server that refuses what was made of an older version of an object.

mod campaign;
mod election;
mod gate;
mod place;
mod record;

pub use campaign::{Campaign, LeaseError};
pub use election::{Claim, Election, Loss, Occasion, Turn};
pub use gate::{Gate, GateLayer, Gated, NotLeading};
pub use place::Place;
pub use record::Record;

#[cfg(test)]
mod simulation;
