//! The two programs as child processes, for tests of any crate: start, wait until they listen, read their report.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::load::LoadReport;
use crate::process::{ChildError, ChildGuard, Finished};

/// An xserver binds its ports in milliseconds; a loaded machine may take a while to start any process.
const START: Duration = Duration::from_secs(20);

/// A running `xserver` process.
#[derive(Debug)]
pub struct Xserver {
    /// The process; it ends when this is dropped.
    pub process: ChildGuard,
    /// Name and address of each server, in the order of the names asked for.
    pub servers: Vec<(String, SocketAddr)>,
}

impl Xserver {
    /// Starts `program` with one server for each name, on loopback ports that the kernel chooses, and waits until all listen.
    pub fn start(program: &Path, names: &[&str], arguments: &[&str]) -> Result<Self, ChildError> {
        let mut command = Command::new(program);
        for name in names {
            command.args(["--listen", "127.0.0.1:0", "--name", name]);
        }
        command.args(arguments);
        let process = ChildGuard::spawn(command)?;
        let servers = names.iter().map(|name| Ok(((*name).to_owned(), listening(&process, name)?)));
        let servers = servers.collect::<Result<_, ChildError>>()?;
        Ok(Self { process, servers })
    }

    /// The address of the first server.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.servers[0].1
    }
}

/// Waits for the line `listening NAME ADDR`.
pub fn listening(process: &ChildGuard, name: &str) -> Result<SocketAddr, ChildError> {
    let address = |line: &str| {
        let (found, address) = line.strip_prefix("listening ")?.rsplit_once(' ')?;
        (found == name).then(|| address.parse().ok())?
    };
    Ok(process.stdout().wait_for(START, address)?)
}

/// The summary that a `load` process has printed.
#[must_use]
pub fn load_report(finished: &Finished) -> Option<LoadReport> {
    LoadReport::find_in(&finished.stdout.join("\n"))
}
