//! The cluster that the tests play on, and the programs that a person would use there.

use std::process::Command;
use std::time::{Duration, Instant};

use evenkeel_tests::process::ChildGuard;

/// Longer than any single command takes; those that wait have a deadline of their own.
const LONGEST: Duration = Duration::from_secs(200);
/// The top of the checkout, where commands run: their paths are those of the README.
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Whoever wonders where the time of a test goes is told of what took longer.
const SLOW: Duration = Duration::from_secs(3);
/// A pause between two looks at something that changes by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A kind cluster, by its name, and how to reach it.
#[derive(Debug)]
pub(crate) struct Cluster {
    name: String,
    /// What `tests/cluster/environment` says: where kubectl, helm and docker are, and what they shall talk to.
    environment: Vec<(String, String)>,
}

impl Cluster {
    /// The cluster that `EVENKEEL_KIND_CLUSTER` names; none without that variable.
    pub(crate) fn named() -> Option<Self> {
        let name = std::env::var("EVENKEEL_KIND_CLUSTER").ok().filter(|name| !name.is_empty())?;
        let mut shell = Command::new("bash");
        shell.args(["-c", r#"set -e; lines=$("$0" "$1"); eval "$lines"; env -0"#, "tests/cluster/environment", &name]);
        let output = finish(shell, LONGEST).unwrap_or_else(|error| panic!("no cluster {name}: {error}"));
        let pairs = output.split('\0').filter_map(|pair| pair.split_once('='));
        let environment = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Some(Self { name, environment })
    }

    /// A value of its environment.
    pub(crate) fn variable(&self, key: &str) -> Option<&str> {
        self.environment.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Runs a command, told as a person types it but without quotes, and gives its output.
    pub(crate) fn attempt(&self, line: &str) -> Result<String, String> {
        self.attempt_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// The same, word by word.
    pub(crate) fn attempt_words(&self, words: &[&str]) -> Result<String, String> {
        finish(self.command(words), LONGEST)
    }

    /// Shows the command and runs it; a failure ends the test.
    pub(crate) fn run(&self, line: &str) -> String {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// The same, word by word.
    pub(crate) fn run_words(&self, words: &[&str]) -> String {
        let line = words.join(" ");
        eprintln!("$ {line}");
        timed(&line, || self.attempt_words(words)).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts a command that goes on until it is dropped.
    pub(crate) fn follow(&self, line: &str) -> ChildGuard {
        ChildGuard::spawn(self.command(&line.split_whitespace().collect::<Vec<_>>())).unwrap()
    }

    /// Applies a manifest, as from a file.
    pub(crate) fn apply(&self, namespace: &str, manifest: &str) -> Result<String, String> {
        let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
        std::fs::write(file.path(), manifest).unwrap();
        let words = ["kubectl", "-n", namespace, "apply", "-f", &file.path().to_string_lossy()];
        timed("applying", || self.attempt_words(&words))
    }

    /// What a pod answers, asked through the API server, which looks for no more than its port.
    pub(crate) fn ask(&self, namespace: &str, pod: &str, port_and_path: &str) -> Result<String, String> {
        let (port, path) = port_and_path.split_once('/').unwrap_or((port_and_path, ""));
        self.attempt(&format!("kubectl get --raw /api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/{path}"))
    }

    /// The containers that are the cluster's nodes.
    pub(crate) fn nodes(&self) -> Vec<String> {
        let label = format!("label=io.x-k8s.kind.cluster={}", self.name);
        let names = self.attempt_words(&["docker", "ps", "--filter", &label, "--format", "{{.Names}}"]).unwrap();
        names.lines().map(str::to_owned).collect()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().envs(self.environment.iter().cloned()).current_dir(CHECKOUT);
        command
    }
}

/// A file of the checkout.
pub(crate) fn file(path: &str) -> String {
    std::fs::read_to_string(format!("{CHECKOUT}/{path}")).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Looks until there is something to see, and fails the test at the deadline.
pub(crate) fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    timed(what, || {
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            assert!(Instant::now() < deadline, "not within {within:?}: {what}");
            std::thread::sleep(LOOK_AGAIN);
        }
    })
}

/// Tells how long it took, if that was long.
pub(crate) fn timed<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = act();
    if began.elapsed() > SLOW {
        eprintln!("  {:.0} s: {what}", began.elapsed().as_secs_f64());
    }
    done
}

fn finish(mut command: Command, within: Duration) -> Result<String, String> {
    command.current_dir(CHECKOUT);
    let finished = ChildGuard::spawn(command).and_then(|child| child.finish(within)).map_err(|e| e.to_string())?;
    if finished.status.success() {
        return Ok(finished.stdout.join("\n"));
    }
    Err(format!("{}\n{}\n{}", finished.status, finished.stdout.join("\n"), finished.stderr.join("\n")))
}
