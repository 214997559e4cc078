//! Descriptors for many connections.

use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Lets this process and those that it starts have as many as the system gives without a privilege; how many that is.
pub fn raise_limit() -> io::Result<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    Ok(limit.maximum.unwrap_or(1 << 20))
}
