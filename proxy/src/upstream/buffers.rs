//! A thread's buffers for heads, lent to requests: no connection holds one while it is idle.

use std::cell::RefCell;

use bytes::BytesMut;

/// So many for what is written are kept: two for each request that is under way at one moment, on a busy thread.
const KEPT_WRITTEN: usize = 256;
/// And of the larger ones for what is read, which nobody holds for long.
const KEPT: usize = 64;
/// Room for nearly every head.
const ROOM_BYTES: usize = 1024;
/// A larger one is given back to the system.
const KEPT_BYTES: usize = 16 * 1024;

/// Free buffers.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    written: RefCell<Vec<Vec<u8>>>,
    read: RefCell<Vec<BytesMut>>,
}

impl Buffers {
    /// An empty buffer for a head to be written.
    pub(crate) fn take_written(&self) -> Vec<u8> {
        self.written.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(ROOM_BYTES))
    }

    /// Takes a buffer back.
    pub(crate) fn give_written(&self, mut buffer: Vec<u8>) {
        let mut kept = self.written.borrow_mut();
        if kept.len() < KEPT_WRITTEN && (1..=KEPT_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            kept.push(buffer);
        }
    }

    /// An empty buffer for what is read.
    pub(super) fn take_read(&self) -> BytesMut {
        self.read.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a buffer back. Its memory may still be shared with a head under way; it is used again once that is gone.
    pub(super) fn give_read(&self, buffer: BytesMut) {
        let mut kept = self.read.borrow_mut();
        if kept.len() < KEPT && buffer.is_empty() && buffer.capacity() <= KEPT_BYTES {
            kept.push(buffer);
        }
    }
}
