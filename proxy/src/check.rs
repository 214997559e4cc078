//! `evenkeel-proxy check`: what `nginx -t` is to nginx.

use std::{io::Write, path::PathBuf};

use crate::source::read_file;

/// Reads and translates each file and writes a line on it, or one for each thing that is wrong. Returns whether all are
/// good.
pub fn check(files: &[PathBuf], out: &mut impl Write) -> std::io::Result<bool> {
    let mut good = true;
    for path in files {
        match read_file(path) {
            Ok((_, table)) => {
                let policy = &table.policy;
                let endpoints = table.endpoints.ready();
                let (pool, port, backends) = (&policy.pool, policy.listener.port, policy.backends.len());
                let name = path.display();
                writeln!(out, "{name}: ok: pool {pool}, port {port}, {backends} backends, {endpoints} endpoints")?;
            }
            Err(problems) => {
                writeln!(out, "{problems}")?;
                good = false;
            }
        }
    }
    Ok(good)
}
