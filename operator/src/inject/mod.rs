//! Injection, pure: a pod that is to be made goes in; a patch that adds its sidecar, or why it cannot have one, comes out.
//!
//! ```text
//! pod ─▶ asks? ─▶ has one? ─▶ pools, ports, names, resources ─▶ container, volumes ─▶ patch
//! ```

mod admit;
mod container;
mod patch;
mod pod;
mod pool;
mod quantity;
mod resources;

pub use admit::{Decision, Settings, admit, pools_to_look_up};
pub use patch::not_injected;
pub use pod::Pod;
pub use pool::PoolState;
pub use resources::Resources;
