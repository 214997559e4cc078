//! The webhook's certificates: who signs them, how they are kept, when they are made anew, and whom the API server trusts.
//!
//! One CA of our own, in one Secret, signs the one certificate that all replicas serve. Keys are never logged.

mod bundle;
mod issue;
mod kept;
mod plan;
mod read;

pub use bundle::{Bundle, wanted};
pub use issue::{Authority, IssueError};
pub use kept::{CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY, Kept};
pub(super) use kept::{complete, is_ours};
pub use plan::{Facts, Next, Wanted, next};
pub use read::{Life, Named};

#[cfg(test)]
mod tests;
