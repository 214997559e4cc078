//! A message on a socket, in either direction: a head and a body that are sent, a body that comes.

mod inbound;
mod outbound;

pub(crate) use inbound::{Inbound, ReadError};
pub(crate) use outbound::{MAX_KEPT_BYTES, Outbound, SendError};
