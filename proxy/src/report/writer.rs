//! Writes the access log to standard output, on a thread of its own: it may wait for its reader as long as it likes.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsFd as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, poll};
use tokio::{sync::oneshot, time::timeout};

/// Buffers that the writer has not taken yet, a megabyte or so: what a reader may fall behind.
const QUEUE: usize = 64;
/// At the end of the process so long is waited for a reader.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Where threads send their lines.
pub(crate) type Sender = SyncSender<Batch>;

/// Whole lines.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
    /// Where the buffer is used again.
    pub(super) home: SyncSender<Vec<u8>>,
}

/// What became of lines.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Written by the writer alone.
    written: AtomicU64,
    /// Written by whoever loses some.
    dropped: AtomicU64,
}

impl Counts {
    /// Lines that were written.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Lines that were lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    pub(super) fn drop_lines(&self, lines: u64) {
        self.dropped.fetch_add(lines, Relaxed);
    }
}

/// The writer's thread. It ends when all senders are gone and everything is written.
#[derive(Debug)]
pub(crate) struct Writer(oneshot::Receiver<()>);

impl Writer {
    /// Starts it on standard output.
    pub(crate) fn start(counts: Arc<Counts>) -> io::Result<(Self, Sender)> {
        let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let (sender, batches) = sync_channel(QUEUE);
        let (ended, end) = oneshot::channel();
        std::thread::Builder::new().name("access-log".into()).spawn(move || {
            run(&batches, out, &counts);
            let _ = ended.send(()); // nobody may wait for it
        })?;
        Ok((Self(end), sender))
    }

    /// Waits until everything is written, or not any longer.
    pub(crate) async fn finish(self) {
        if timeout(LAST_LINES, self.0).await.is_err() {
            tracing::warn!("the last lines of the access log are lost: nobody reads them");
        }
    }
}

fn run(batches: &Receiver<Batch>, mut out: File, counts: &Counts) {
    let (mut torn, mut failing) = (false, false);
    for batch in batches {
        let (written, failed) = write(&mut out, &batch.bytes, torn);
        let whole = match failed {
            None => batch.lines,
            Some(_) => batch.bytes[..written].split(|byte| *byte == b'\n').count() as u64 - 1,
        };
        counts.written.fetch_add(whole, Relaxed);
        counts.drop_lines(batch.lines - whole);
        torn = if written == 0 { torn } else { batch.bytes[written - 1] != b'\n' };
        match &failed {
            Some(error) if !failing => tracing::warn!(%error, "the access log cannot be written; its lines are lost"),
            _ => {}
        }
        failing = failed.is_some();
        let mut bytes = batch.bytes;
        bytes.clear();
        let _ = batch.home.try_send(bytes); // else it is one too many
    }
}

/// Writes as much as can be; how much that was, and why not all. What is left of a torn line is ended first.
fn write(out: &mut File, mut bytes: &[u8], torn: bool) -> (usize, Option<io::Error>) {
    let all = bytes.len();
    if torn && let Err(error) = out.write_all(b"\n") {
        return (0, Some(error));
    }
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return (all - bytes.len(), Some(io::ErrorKind::WriteZero.into())),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Somebody else made the pipe so. This thread has the time.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(out),
            Err(error) => return (all - bytes.len(), Some(error)),
        }
    }
    (all, None)
}

/// Waits until there is room for more.
fn wait(out: &File) {
    let _ = poll(&mut [PollFd::new(out, PollFlags::OUT)], None); // the next write says what is wrong
}
