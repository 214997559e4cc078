//! The proxies that are compared: how each is started, where it listens, what makes it end in order.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use evenkeel_tests::process::Signal;

use super::place::{Place, bench_folder};
use super::table;
use crate::works::BACKEND_PORTS;

/// A proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    pub(crate) port: u16,
    /// The signal after which it ends in order, so that callgrind and strace write what they counted.
    pub(crate) stop: Signal,
}

/// Whose program it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Program {
    Evenkeel,
    Nginx,
    Haproxy,
    Envoy,
}

/// What varies of our own proxy; the others have one thread and four endpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) threads: u16,
    pub(crate) endpoints: usize,
}

impl Default for Setting {
    fn default() -> Self {
        Self { threads: 1, endpoints: BACKEND_PORTS.len() }
    }
}

/// All of them, ours first.
pub(crate) const PEERS: [Peer; 4] = [
    Peer { name: "evenkeel", program: Program::Evenkeel, port: 8008, stop: Signal::INT },
    Peer { name: "nginx", program: Program::Nginx, port: 8006, stop: Signal::TERM },
    Peer { name: "haproxy", program: Program::Haproxy, port: 8007, stop: Signal::TERM },
    Peer { name: "envoy", program: Program::Envoy, port: 8003, stop: Signal::TERM },
];

impl Peer {
    /// The peer of that name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        PEERS.iter().find(|peer| peer.name == name)
    }

    /// Our proxy.
    pub(crate) fn evenkeel() -> &'static Self {
        &PEERS[0]
    }

    /// Its program, if it is installed.
    pub(crate) fn installed(&self, place: &Place) -> Option<PathBuf> {
        match self.program {
            Program::Evenkeel => Some(place.proxy.clone()),
            // Envoy comes in a Python package, behind a script that would be measured with it.
            Program::Envoy => env::var_os("ENVOY").map(PathBuf::from).or_else(|| on_path("envoy")),
            Program::Nginx | Program::Haproxy => on_path(self.name),
        }
    }

    /// What it says of its version.
    pub(crate) fn version(&self, place: &Place) -> Option<String> {
        let option = match self.program {
            Program::Nginx | Program::Haproxy => "-v",
            Program::Evenkeel | Program::Envoy => "--version",
        };
        let said = Command::new(self.installed(place)?).arg(option).output().ok()?;
        let text = [said.stdout, said.stderr].concat();
        String::from_utf8_lossy(&text).lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    }

    /// The arguments that follow the program.
    pub(crate) fn arguments(&self, place: &Place, setting: Setting) -> anyhow::Result<Vec<String>> {
        let file = |name: &str| bench_folder().join("peers").join(name).display().to_string();
        let run = place.run.display().to_string();
        let arguments = match self.program {
            Program::Evenkeel => vec![
                "run".into(),
                "--tables".into(),
                table::write(place, setting.endpoints)?.display().to_string(),
                "--bind=127.0.0.1".into(),
                "--threads".into(),
                setting.threads.to_string(),
                "--admin=127.0.0.1:8009".into(),
                "--log-level=warn".into(),
            ],
            Program::Nginx => {
                vec!["-p".into(), run, "-e".into(), "nginx-error.log".into(), "-c".into(), file("nginx.conf")]
            }
            Program::Haproxy => vec!["-db".into(), "-f".into(), file("haproxy.cfg")],
            Program::Envoy => ["-c", &file("envoy.yaml"), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
                .map(str::to_owned)
                .into(),
        };
        Ok(arguments)
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}
