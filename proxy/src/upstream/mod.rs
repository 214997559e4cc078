//! Connections to endpoints: made with a deadline, kept by each thread for itself, spoken to in HTTP/1.1.
//!
//! No task of its own drives a connection: the request's task writes, reads and waits. What it did not read yet stays with
//! the system, so that an idle connection costs a descriptor and no buffer.

mod buffers;
mod connect;
mod connection;
mod exchange;
mod idle;
mod receive;
mod turn;

pub(crate) use buffers::Buffers;
pub(crate) use connect::connect;
pub(crate) use connection::Connection;
pub(crate) use exchange::{Answered, ExchangeError, Means, Sent, exchange};
pub(crate) use idle::{Idle, Need};
pub(crate) use turn::begin as begin_turn;
