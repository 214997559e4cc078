//! Status: conditions and counts, written when they differ and at most once a second, and Events when a condition changes.

mod conditions;
mod events;
mod probe;
mod programmed;
mod progress;
mod reporter;

pub use conditions::{Verdicts, conditions, transitions};
pub use probe::{Answer, Asker, Refusal};
pub use programmed::{Programming, programmed};
pub use progress::Progress;
pub use reporter::Reporter;
