//! Publication: a pool's table, in its ConfigMap, within milliseconds of what changed it.

mod bucket;
mod fleet;
mod map;
mod plan;
mod publisher;

pub use bucket::Budget;
pub use fleet::proxies_of;
pub use map::{is_up_to_date, map_for};
pub use plan::{Plan, Verdict, plan};
pub use publisher::Publisher;
