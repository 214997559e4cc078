//! What a request must be, before anything looks at it.
//!
//! ```text
//! head as parsed ─▶ target ─▶ one pass over the fields ─▶ framing, Expect, hop by hop ─▶ rules of the pool ─▶ forwarded ─▶ Head
//!                      └──────────────┴──────────────────────────┴─▶ Refusal
//! ```
//!
//! Pure: no I/O, no clock, no randomness. Behind it nobody sees what a client sent, but as a `Head`, which cannot be built
//! in another way: exactly one authority, a target in origin-form, one framing, no field that belongs to the client's
//! connection, and nothing about the client's origin that somebody untrusted said.

mod authority;
mod fields;
mod forwarded;
mod framing;
mod head;
mod name;
mod refusal;
mod rules;
mod target;
mod trailers;

pub use rules::{FieldRules, LineRules, Rules};

pub(crate) use fields::REASON;
pub(crate) use forwarded::Origin;
pub(crate) use framing::Framing;
pub(crate) use head::{Context, Head, Passage};
pub(crate) use refusal::{BODY_TOO_LARGE, Refusal};
pub(crate) use trailers::strip_trailers;

#[cfg(test)]
mod tests;
