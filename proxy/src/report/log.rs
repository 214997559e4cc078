//! A thread's end of the access log: lines gather in a buffer of its own, which goes to the writer when it is full, or with
//! the next tick. When the writer does not keep up lines are lost and counted; a request never waits for its line.

use std::{
    cell::{Cell, RefCell},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
};

use evenkeel_crds::api::AccessLogMode;
use tokio::time::Instant;

use super::{
    line::{self, End},
    wall::Wall,
    writer::{Batch, Counts, Sender},
};
use crate::{
    balance::{AccessLog, Outcome},
    codec::RequestHead,
};

/// From here on a buffer goes to the writer: fifty lines or so for one passing, and no more than two pages of a pipe at once.
const FULL_BYTES: usize = 16 * 1024;
/// A line is shorter than this, but for what clients make long.
const ROOM_BYTES: usize = 1024;
/// A longer one, by what a client sent, is not kept.
const KEPT_BYTES: usize = 4 * 1024;
/// So many buffers of lines are kept, which is more than a thread has requests between two looks at its sockets.
const SPARE: usize = 256;
/// And so many of those that come back.
const BACK: usize = 4;
/// The least status of an endpoint's own answer that is an error.
const ERROR: u16 = 500;

/// A thread's access log.
#[derive(Debug)]
pub(crate) struct Log {
    buffer: RefCell<Vec<u8>>,
    lines: Cell<u64>,
    wall: Wall,
    to: RefCell<Option<Sender>>,
    /// Buffers that come back from the writer.
    home: SyncSender<Vec<u8>>,
    back: Receiver<Vec<u8>>,
    /// For lines that have begun.
    spare: RefCell<Vec<Vec<u8>>>,
    counts: Arc<Counts>,
}

/// A line that has begun.
#[derive(Debug)]
pub(crate) struct Record {
    line: Vec<u8>,
    /// Whether it is written also of a request that ends well.
    always: bool,
}

impl Log {
    /// A log that goes to the writer behind `to`.
    pub(crate) fn new(to: Sender, counts: Arc<Counts>) -> Self {
        let (home, back) = sync_channel(BACK);
        Self {
            buffer: RefCell::default(),
            lines: Cell::default(),
            wall: Wall::new(),
            to: RefCell::new(Some(to)),
            home,
            back,
            spare: RefCell::default(),
            counts,
        }
    }

    /// Begins a line, if there may be one for this request. `chance` is a random number.
    pub(crate) fn begin(
        &self,
        rules: &AccessLog,
        chance: impl FnOnce() -> u128,
        start: Instant,
        client: &str,
    ) -> Option<Record> {
        let always = match rules.mode {
            AccessLogMode::Off => return None,
            AccessLogMode::Errors => false,
            AccessLogMode::Sampled => chance() % 100 < rules.sample_percent.into(),
            AccessLogMode::All => true,
        };
        let mut line = self.spare.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(ROOM_BYTES));
        line::begin(&mut line, &rules.names, client, |out| self.wall.write(out, start));
        Some(Record { line, always })
    }

    /// Ends a line.
    pub(crate) fn end(&self, record: Record, end: &End<'_>) {
        let Record { mut line, always } = record;
        if always || is_error(end.outcome) {
            line::end(&mut line, end);
            self.push(&line);
        }
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE && line.capacity() <= KEPT_BYTES {
            line.clear();
            spare.push(line);
        }
    }

    fn push(&self, line: &[u8]) {
        let mut buffer = self.buffer.borrow_mut();
        if buffer.capacity() == 0 {
            *buffer = self.back.try_recv().unwrap_or_else(|_| Vec::with_capacity(FULL_BYTES + KEPT_BYTES));
        }
        buffer.extend_from_slice(line);
        self.lines.set(self.lines.get() + 1);
        if buffer.len() >= FULL_BYTES {
            drop(buffer);
            self.flush();
        }
    }

    /// Looks at the clock, and passes on what there is.
    pub(crate) fn tick(&self, now: Instant) {
        self.wall.adjust(now);
        self.flush();
    }

    fn flush(&self) {
        let Some(batch) = self.take() else { return };
        let refused = match &*self.to.borrow() {
            Some(to) => to.try_send(batch).err(),
            None => Some(TrySendError::Disconnected(batch)),
        };
        if let Some(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) = refused {
            self.counts.drop_lines(batch.lines);
            let mut buffer = batch.bytes;
            buffer.clear();
            self.buffer.replace(buffer);
        }
    }

    /// Passes the last lines on. Waits for the writer if it must: nothing else is to be done on this thread.
    pub(crate) fn finish(&self) {
        if let Some(to) = self.to.take()
            && let Some(batch) = self.take()
            && let Err(error) = to.send(batch)
        {
            self.counts.drop_lines(error.0.lines);
        }
    }

    fn take(&self) -> Option<Batch> {
        let lines = self.lines.take();
        (lines > 0).then(|| Batch { bytes: self.buffer.take(), lines, home: self.home.clone() })
    }
}

impl Record {
    /// Adds what a head says. `id`: the name that the request gets, if it has none.
    pub(crate) fn note_head(&mut self, head: &RequestHead<'_>, id: u128) {
        line::head(&mut self.line, head, id);
    }
}

/// Whether somebody who looks for what went wrong wants to know of it.
fn is_error(outcome: Outcome) -> bool {
    outcome.reason.is_some() || outcome.status >= ERROR
}
