//! A thread's buffers and maps for heads, lent to requests: no connection holds one while it is idle.

use std::cell::RefCell;

use bytes::BytesMut;
use http::HeaderMap;

/// So many of each kind are kept, which is more than a thread has requests between two looks at its sockets.
const KEPT: usize = 64;
/// A larger one is given back to the system.
const KEPT_BYTES: usize = 16 * 1024;
/// And a map for more fields.
const KEPT_FIELDS: usize = 64;

/// Free buffers.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    written: RefCell<Vec<Vec<u8>>>,
    read: RefCell<Vec<BytesMut>>,
    fields: RefCell<Vec<HeaderMap>>,
}

impl Buffers {
    /// An empty buffer for a head to be written.
    pub(crate) fn take_written(&self) -> Vec<u8> {
        self.written.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(crate) fn give_written(&self, mut buffer: Vec<u8>) {
        let mut kept = self.written.borrow_mut();
        if kept.len() < KEPT && (1..=KEPT_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            kept.push(buffer);
        }
    }

    /// An empty map.
    pub(super) fn take_fields(&self) -> HeaderMap {
        self.fields.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a map back: to make one anew costs more than all else that is done with it.
    pub(crate) fn give_fields(&self, mut map: HeaderMap) {
        let mut kept = self.fields.borrow_mut();
        if kept.len() < KEPT && map.capacity() <= KEPT_FIELDS {
            map.clear();
            kept.push(map);
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
