//! What a pool owns beside its table: the proxies, their Service and what they may read.

mod deployment;
mod drift;
mod handover;
mod objects;
mod owner;
mod rollout;
mod writer;

pub use deployment::deployment;
pub use drift::{Applied, Desired};
pub use handover::owns_replicas;
pub use objects::desired;
pub use owner::Owner;
pub use rollout::{MAX_ROLLING, Rollouts};
