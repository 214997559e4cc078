//! Status: conditions and counts, written when they differ and at most once a second, and Events when a condition changes.

mod conditions;
mod doubts;
mod events;
mod probe;
mod programmed;
mod progress;
mod questions;
mod reporter;

pub use conditions::{Verdicts, conditions, transitions};
use doubts::Doubts;
pub use events::EVENTS_FROM;
pub use probe::{Answer, Asker, Refusal};
pub use programmed::{Programming, programmed};
pub use progress::{Followed, Progress};
use questions::Questions;
pub use reporter::Reporter;
