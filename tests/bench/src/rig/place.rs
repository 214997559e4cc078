//! Where things are: the programs, the folder for what a run leaves behind, the cores.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, thread};

use anyhow::{Context as _, bail};

/// The configurations of the peers, and what a run needs to start anything.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Our proxy.
    pub(crate) proxy: PathBuf,
    /// The pool that it serves.
    pub(crate) pool: PathBuf,
    /// Logs, pid files and profiles.
    pub(crate) run: PathBuf,
    /// Where `result.json` goes.
    pub(crate) results: PathBuf,
    pub(crate) proxy_cores: String,
    pub(crate) load_cores: String,
}

/// `tests/bench` of the checkout that this was built from.
pub(crate) fn bench_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bench")
}

impl Place {
    /// The proxy is the one named, else the one beside this program; the pool is the one named, else that with every feature on.
    pub(crate) fn find(proxy: Option<PathBuf>, pool: Option<PathBuf>) -> anyhow::Result<Self> {
        if env::var_os("EVENKEEL_BENCH").is_none() {
            bail!("this needs a network namespace of its own: run it by tests/bench/run");
        }
        let me = env::current_exe()?;
        let proxy = proxy.unwrap_or_else(|| me.with_file_name("evenkeel-proxy"));
        let proxy = fs::canonicalize(&proxy)
            .with_context(|| format!("there is no proxy at {}: build it, or name it by --proxy", proxy.display()))?;
        let pool = pool.unwrap_or_else(|| bench_folder().join("peers/evenkeel.yaml"));
        let pool = fs::canonicalize(&pool).with_context(|| pool.display().to_string())?;
        let target = me.parent().and_then(Path::parent).context("this program is in no target folder")?;
        let results = target.join("bench");
        let run = results.join("run");
        fs::create_dir_all(&run)?;
        let (proxy_cores, load_cores) = cores();
        Ok(Self { proxy, pool, run, results, proxy_cores, load_cores })
    }

    /// A command that runs on these cores; it keeps its process id.
    pub(crate) fn on(&self, cores: &str, program: &Path) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", cores]).arg(program).current_dir(&self.run);
        command
    }

    /// This program with another subcommand.
    pub(crate) fn me(&self, subcommand: &str) -> anyhow::Result<Command> {
        let mut command = self.on(&self.load_cores, &env::current_exe()?);
        command.arg(subcommand);
        Ok(command)
    }
}

/// The proxy alone on one core, everything else on another; on a machine with one core they share it.
fn cores() -> (String, String) {
    let several = thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    let chosen = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    (chosen("PROXY_CORES", "0"), chosen("LOAD_CORES", if several { "1" } else { "0" }))
}
