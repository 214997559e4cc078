//! Starts backend, proxies and load on their cores, ends them, and reads what they cost.

mod backend;
mod costs;
mod driver;
mod peer;
mod place;
mod running;
mod table;

pub(crate) use self::backend::Backend;
pub(crate) use self::costs::{cpu, memory_kb};
pub(crate) use self::driver::{drive, hold};
pub(crate) use self::peer::{PEERS, Peer, Program, Setting};
pub(crate) use self::place::{Place, bench_folder};
pub(crate) use self::running::{Running, Under, settled};
