//! The proxy as a child process: found, started, asked for its status, ended.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, anyhow, bail};
use evenkeel_tests::process::{ChildGuard, Signal};

use super::options::Options;
use super::place::Place;
use super::status::{self, PoolStatus};

/// It starts in milliseconds; a busy machine may take a while.
const START: Duration = Duration::from_secs(20);
/// After SIGINT it finishes what is under way, for 5 s at most.
const END: Duration = Duration::from_secs(10);

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    child: ChildGuard,
    admin: SocketAddr,
}

impl Proxy {
    /// Starts it on the pool's file and waits until it listens.
    pub(crate) async fn start(program: &Path, place: &Place, admin: SocketAddr) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.arg("run").arg("--pool").arg(place.name()).arg("--admin").arg(admin.to_string());
        // A group of its own: Ctrl-C at the terminal is for the demo, which ends the traffic first.
        command.current_dir(place.directory()).env("NO_COLOR", "1").process_group(0);
        let started = tokio::task::spawn_blocking(move || {
            let child = ChildGuard::spawn(command)?;
            match child.stderr().wait_for(START, |line| line.contains(" started").then_some(())) {
                Ok(()) => Ok(child),
                Err(missing) => Err(last_words(&child).unwrap_or_else(|| missing.into())),
            }
        });
        Ok(Self { child: started.await??, admin })
    }

    /// Where `/status` is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The state of its one pool.
    pub(crate) async fn status(&self) -> anyhow::Result<PoolStatus> {
        status::get(self.admin).await
    }

    /// An error, if it has ended by itself.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.wait(Duration::ZERO) {
            Ok(status) => Err(last_words(&self.child).unwrap_or_else(|| anyhow!("it does not say why")))
                .with_context(|| format!("the proxy has ended ({status})")),
            Err(_) => Ok(()), // it runs
        }
    }

    /// Ends it; what is under way is finished.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        let ended = tokio::task::spawn_blocking(move || {
            self.child.signal(Signal::INT)?;
            self.child.finish(END)
        });
        let finished = ended.await??;
        if !finished.status.success() {
            bail!("the proxy ended with {}: {}", finished.status, finished.stderr.join("\n"));
        }
        Ok(())
    }
}

/// Why it has ended, in its own words.
fn last_words(child: &ChildGuard) -> Option<anyhow::Error> {
    let lines = child.stderr().so_far();
    let line = lines.iter().rev().find(|line| line.starts_with("evenkeel-proxy: "))?;
    Some(anyhow!("{line}"))
}

/// The program: as named, else beside this one.
pub(crate) fn program(options: &Options) -> anyhow::Result<PathBuf> {
    let path = match &options.proxy {
        Some(path) => path.clone(),
        None => env::current_exe()?.with_file_name("evenkeel-proxy"),
    };
    // Absolute: the proxy is started in another directory.
    fs::canonicalize(&path).with_context(|| {
        let path = path.display();
        format!("there is no proxy at {path}; build it (cargo build -p evenkeel-proxy) or name it by --proxy PATH")
    })
}
