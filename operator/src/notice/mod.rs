//! Tells users of pods that ask for a sidecar and have none: one Event a pod, and so many a minute.

mod allowance;
mod event;
mod notifier;

pub use allowance::Allowance;
pub use event::{event, note};
pub use notifier::Notifier;
