//! The lines that a child process has printed so far, to wait for one of them and to show them when something fails.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// More than any test reads, and a bound for a child that never stops printing: the oldest lines go first.
const KEPT: usize = 50_000;
/// Enough to see what went wrong, and it fits on a screen.
const EVIDENCE: usize = 30;

/// The lines of one stream, filled by a thread of its own.
#[derive(Clone, Debug)]
pub struct Lines {
    name: String,
    shared: Arc<Shared>,
}

/// The line that was waited for did not come.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {why}; the last lines were:\n{evidence}")]
pub struct NoSuchLine {
    name: String,
    why: &'static str,
    evidence: String,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    ended: bool,
}

impl Lines {
    /// Collects what `stream` yields until its end. `name` stands in error messages.
    #[must_use]
    pub fn collect(name: String, stream: impl Read + Send + 'static) -> Self {
        let shared = Arc::<Shared>::default();
        let filled = Arc::clone(&shared);
        thread::spawn(move || filled.fill(stream));
        Self { name, shared }
    }

    /// Everything so far.
    #[must_use]
    pub fn so_far(&self) -> Vec<String> {
        self.shared.lock().lines.iter().cloned().collect()
    }

    /// The first line, already printed or to come, for which `find` gives a value.
    pub fn wait_for<T>(&self, within: Duration, find: impl Fn(&str) -> Option<T>) -> Result<T, NoSuchLine> {
        let deadline = Instant::now() + within;
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = state.lines.iter().find_map(|line| find(line)) {
                return Ok(found);
            }
            if state.ended {
                return Err(self.missing(&state, "the stream ended without the line"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.missing(&state, "the line did not come in time"));
            }
            state = self.shared.wait(state, left);
        }
    }

    /// All lines, once the stream has ended.
    pub fn wait_for_end(&self, within: Duration) -> Result<Vec<String>, NoSuchLine> {
        let deadline = Instant::now() + within;
        let mut state = self.shared.lock();
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.missing(&state, "the stream did not end in time"));
            }
            state = self.shared.wait(state, left);
        }
        Ok(state.lines.iter().cloned().collect())
    }

    fn missing(&self, state: &State, why: &'static str) -> NoSuchLine {
        let skipped = state.lines.len().saturating_sub(EVIDENCE);
        let last: Vec<_> = state.lines.iter().skip(skipped).map(String::as_str).collect();
        NoSuchLine { name: self.name.clone(), why, evidence: last.join("\n") }
    }
}

impl Shared {
    fn fill(&self, stream: impl Read) {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            self.push(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            line.clear();
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn push(&self, line: String) {
        let mut state = self.lock();
        if state.lines.len() == KEPT {
            state.lines.pop_front();
        }
        state.lines.push_back(line);
        self.changed.notify_all();
    }

    /// A test that panicked while it held the lock has left whole lines behind all the same.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, left: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn finds_a_line_and_sees_the_end() {
        let lines = Lines::collect("t".into(), &b"one\ntwo 2\nthree"[..]);
        let two = lines.wait_for(SOON, |line| line.strip_prefix("two ").map(str::to_owned)).unwrap();
        assert_eq!(two, "2");
        assert_eq!(lines.wait_for_end(SOON).unwrap(), ["one", "two 2", "three"]);
    }

    #[test]
    fn a_missing_line_shows_what_was_there() {
        let lines = Lines::collect("t".into(), &b"one\n"[..]);
        let error = lines.wait_for(SOON, |line| (line == "two").then_some(())).unwrap_err();
        assert!(error.to_string().contains("one"), "{error}");
    }
}
