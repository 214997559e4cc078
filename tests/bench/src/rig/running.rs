//! A proxy as a process: started plain or under a tool that counts, waited for, ended in order.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use evenkeel_tests::process::ChildGuard;
use rustix::process::{Pid, kill_process};

use super::costs::tree;
use super::peer::{Peer, Setting};
use super::place::Place;

/// Under callgrind a proxy takes seconds until it listens.
const START: Duration = Duration::from_secs(90);
/// Our proxy finishes what is under way for 5 s at most; under callgrind all takes longer.
const END: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// What the proxy runs under.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Under<'a> {
    Nothing,
    /// Counts instructions; a file for each process in this folder.
    Callgrind(&'a Path),
    /// Counts system calls into this file.
    Strace(&'a Path),
}

/// A proxy that serves.
pub(crate) struct Running {
    peer: &'static Peer,
    child: ChildGuard,
}

impl Running {
    /// Starts it and waits until it accepts connections.
    pub(crate) fn start(
        place: &Place,
        peer: &'static Peer,
        setting: Setting,
        under: Under<'_>,
    ) -> anyhow::Result<Self> {
        if is_open(peer.port) {
            // It would share the port, and half of the work would go uncounted.
            bail!("port {} is served already", peer.port);
        }
        let child = ChildGuard::spawn(command(place, peer, setting, under)?)?;
        let mut running = Self { peer, child };
        running.wait_until_open()?;
        Ok(running)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it in order, so that the tools write what they counted.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        for process in tree(self.id()) {
            let pid = i32::try_from(process).ok().and_then(Pid::from_raw).context("a process id")?;
            if !is_strace(process) {
                let _ = kill_process(pid, self.peer.stop); // it may have ended with its parent
            }
        }
        let name = self.peer.name;
        self.child.finish(END).with_context(|| format!("{name} does not end"))?;
        Ok(())
    }

    fn wait_until_open(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START;
        while !is_open(self.peer.port) {
            let ended = self.child.wait(PAUSE).is_ok();
            if ended || Instant::now() > deadline {
                let said = self.child.stderr().so_far().join("\n");
                bail!("{} does not serve port {}: {said}", self.peer.name, self.peer.port);
            }
        }
        Ok(())
    }
}

fn is_open(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// strace ends by itself, after what it traces.
fn is_strace(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.trim() == "strace")
}

fn command(place: &Place, peer: &Peer, setting: Setting, under: Under<'_>) -> anyhow::Result<Command> {
    let program = peer.installed(place).with_context(|| format!("{} is not installed", peer.name))?;
    let mut command = match under {
        Under::Nothing => place.on(&place.proxy_cores, &program),
        Under::Callgrind(folder) => {
            let mut command = place.on(&place.proxy_cores, Path::new("valgrind"));
            let out = folder.join("out.%p");
            command.args(["--tool=callgrind", "--trace-children=yes", "--fair-sched=no"]);
            command.arg(format!("--callgrind-out-file={}", out.display())).arg(program);
            command
        }
        Under::Strace(file) => {
            let mut command = place.on(&place.proxy_cores, Path::new("strace"));
            command.args(["-f", "-c", "-U", "name,calls", "-o"]).arg(file).arg(program);
            command
        }
    };
    command.args(peer.arguments(place, setting)?).env("RUST_BACKTRACE", "1");
    Ok(command)
}

/// Waits until `read` gives the same, within a hundredth, for two seconds.
pub(crate) fn settled(within: Duration, mut read: impl FnMut() -> u64) -> u64 {
    let deadline = Instant::now() + within;
    let (mut value, mut since) = (read(), Instant::now());
    while since.elapsed() < Duration::from_secs(2) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(100));
        let now = read();
        if now.abs_diff(value) * 100 > value {
            (value, since) = (now, Instant::now());
        }
    }
    read()
}
