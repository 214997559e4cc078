//! Status: conditions and counts, written when they differ and at most once a second, and Events when a condition changes.

mod conditions;
mod events;
mod probe;
mod programmed;
mod progress;
mod reporter;

pub use conditions::{Verdicts, conditions, transitions};
pub use events::EVENTS_FROM;
pub use probe::{Answer, Asker, Refusal};
pub use programmed::{Programming, programmed};
pub use progress::{Followed, Progress};
pub use reporter::Reporter;
