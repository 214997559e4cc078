//! What a request must be, before anything looks at it.
//!
//! ```text
//! head as parsed ─▶ target ─▶ one look at each field ─▶ host, framing, Expect, hops ─▶ written: what passes, what we say
//!                      └──────────────┴──────────────────────────┴─▶ Refusal
//! ```
//!
//! Pure: no I/O, no clock, no randomness. Behind it nobody sees what a client sent, but the head that is written for an
//! endpoint, and that has exactly one authority, a target in origin-form, one framing, no field that belongs to the client's
//! connection, and nothing about the client's origin that somebody untrusted said.

mod authority;
mod forwarded;
mod found;
mod framing;
mod head;
mod key;
mod name;
mod refusal;
mod rules;
mod target;
mod trailers;

pub use rules::{FieldRules, LineRules, Rules};

pub(crate) use authority::is_valid as is_authority;
pub(crate) use forwarded::Origin;
pub(crate) use head::{Context, Passage, Passed, check};
pub(crate) use key::key;
pub(crate) use refusal::{BODY_TOO_LARGE, Refusal, SLOW_HEAD};
pub(crate) use target::split as split_url;
pub(crate) use trailers::strip_trailers;

#[cfg(test)]
mod tests;
