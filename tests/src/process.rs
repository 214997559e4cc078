//! Child processes of tests: their output is kept, and they end with the guard, or with the test, however that ends.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
pub use rustix::process::Signal;
use rustix::process::{Pid, PidfdFlags, getppid, pidfd_open, pidfd_send_signal, set_parent_process_death_signal};

use crate::lines::{Lines, NoSuchLine};

/// After the end of a process its pipes are empty in no time, unless a grandchild holds them.
const OUTPUT_AFTER_END: Duration = Duration::from_secs(5);

/// A running child. Dropping it kills the process (by its pidfd, so never another one) and waits for it.
#[derive(Debug)]
pub struct ChildGuard {
    name: String,
    child: Child,
    pidfd: OwnedFd,
    stdout: Lines,
    stderr: Lines,
}

/// How a child ended, and what it printed.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// All lines of its standard output.
    pub stdout: Vec<String>,
    /// All lines of its standard error.
    pub stderr: Vec<String>,
}

/// What can go wrong with a child.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The process could not be started, signalled or waited for.
    #[error("{name}: {error}")]
    Io {
        /// The program.
        name: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// It did not end in time.
    #[error("{name} did not end within {within:?}")]
    StillRunning {
        /// The program.
        name: String,
        /// How long we waited.
        within: Duration,
    },
    /// It did not print what it had to.
    #[error(transparent)]
    Output(#[from] NoSuchLine),
}

impl ChildGuard {
    /// Starts the command with no input and its output kept; the process gets SIGKILL when ours ends, even by SIGKILL.
    pub fn spawn(mut command: Command) -> Result<Self, ChildError> {
        command.stdin(Stdio::null());
        Self::start(command).map(|(guard, _)| guard)
    }

    /// The same with a standard input that stays open until the second value is dropped.
    pub fn spawn_with_input(mut command: Command) -> Result<(Self, ChildStdin), ChildError> {
        command.stdin(Stdio::piped());
        let (guard, input) = Self::start(command)?;
        let input = input.ok_or_else(|| guard.fail(io::ErrorKind::BrokenPipe.into()))?;
        Ok((guard, input))
    }

    fn start(mut command: Command) -> Result<(Self, Option<ChildStdin>), ChildError> {
        let name = command.get_program().to_string_lossy().into_owned();
        let fail = |error| ChildError::Io { name: name.clone(), error };
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn_from_lasting_thread(command).map_err(fail)?;
        let pidfd = open_pidfd(&mut child).map_err(fail)?;
        let stdout = child.stdout.take().map(|stream| Lines::collect(format!("stdout of {name}"), stream));
        let stderr = child.stderr.take().map(|stream| Lines::collect(format!("stderr of {name}"), stream));
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            return Err(fail(io::ErrorKind::BrokenPipe.into()));
        };
        let input = child.stdin.take();
        Ok((Self { name, child, pidfd, stdout, stderr }, input))
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it printed on standard output.
    #[must_use]
    pub fn stdout(&self) -> &Lines {
        &self.stdout
    }

    /// What it printed on standard error.
    #[must_use]
    pub fn stderr(&self) -> &Lines {
        &self.stderr
    }

    /// Sends a signal to this process alone.
    pub fn signal(&self, signal: Signal) -> Result<(), ChildError> {
        pidfd_send_signal(&self.pidfd, signal).map_err(|error| self.fail(error.into()))
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus, ChildError> {
        if !ends_within(&self.pidfd, within).map_err(|error| self.fail(error))? {
            return Err(ChildError::StillRunning { name: self.name.clone(), within });
        }
        self.child.wait().map_err(|error| self.fail(error))
    }

    /// Waits until it has ended, and gives its whole output.
    pub fn finish(mut self, within: Duration) -> Result<Finished, ChildError> {
        let status = self.wait(within)?;
        let stdout = self.stdout.wait_for_end(OUTPUT_AFTER_END)?;
        let stderr = self.stderr.wait_for_end(OUTPUT_AFTER_END)?;
        Ok(Finished { status, stdout, stderr })
    }

    /// SIGTERM, then [`finish`](Self::finish).
    pub fn terminate(self, within: Duration) -> Result<Finished, ChildError> {
        self.signal(Signal::TERM)?;
        self.finish(within)
    }

    fn fail(&self, error: io::Error) -> ChildError {
        ChildError::Io { name: self.name.clone(), error }
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        // ESRCH when it has ended and was waited for: nothing to do.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = self.child.wait();
    }
}

fn open_pidfd(child: &mut Child) -> io::Result<OwnedFd> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let opened =
        pid.ok_or(io::ErrorKind::InvalidInput.into()).and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
    if opened.is_err() {
        let _ = child.kill().and_then(|()| child.wait());
    }
    opened
}

/// A pidfd becomes readable when its process has ended.
fn ends_within(pidfd: &OwnedFd, within: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + within;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&timeout)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

type Order = (Command, SyncSender<io::Result<Child>>);

/// Linux ties the parent-death signal to the parent's *thread*. A test's thread, or one of tokio's blocking threads, ends long
/// before the process does; a child that is shared by several tests would die with the first. So one thread that never ends
/// starts all children.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    static ORDERS: OnceLock<SyncSender<Order>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (sender, receiver) = sync_channel(0);
        thread::spawn(move || take_orders(&receiver));
        sender
    });
    let (reply, result) = sync_channel(1);
    orders.send((command, reply)).map_err(|_| io::ErrorKind::BrokenPipe)?;
    result.recv().map_err(|_| io::ErrorKind::BrokenPipe)?
}

fn take_orders(orders: &Receiver<Order>) {
    while let Ok((mut command, reply)) = orders.recv() {
        die_with_us(&mut command);
        let _ = reply.send(command.spawn());
    }
}

#[allow(unsafe_code, reason = "std offers no safe way to run prctl between fork and exec")]
fn die_with_us(command: &mut Command) {
    let parent = rustix::process::getpid();
    let in_child = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // Had the parent ended before that call, nobody would send the signal any more.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: between fork and exec only async-signal-safe functions are allowed: this makes two plain system calls (rustix
    // calls the kernel directly), compares two integers and neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(in_child);
    }
}
