//! A client's connection as those have it who serve a request on it: one reads its body, another writes its answer. It holds
//! a socket, and of what was read only what nobody has taken yet.

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::pace::{Pace, Phase};
use crate::{guard::Origin, wire::Inbound};

/// What a client waits for that sent `Expect` (RFC 9110 §15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What waits for a reader may have so many times its own length of memory.
const MOST_ROOM: usize = 4;

/// A client's connection.
pub(crate) struct Client {
    /// The pool whose listener was used.
    pub(crate) pool: usize,
    /// The two ends.
    pub(crate) origin: Origin,
    /// How long it may take.
    pub(crate) pace: Rc<Pace>,
    socket: RefCell<TcpStream>,
    /// Read, and taken by nobody.
    input: RefCell<BytesMut>,
    /// Whether somebody has the body of the request in hand.
    has_reader: Cell<bool>,
    /// What nobody read of that.
    rest: RefCell<Option<Inbound>>,
    /// Whether the client waits for a word before it sends the body in hand.
    expects: Cell<bool>,
    /// How much of that was said.
    said: Cell<usize>,
    /// Whether the client will send nothing more.
    has_ended: Cell<bool>,
}

impl Client {
    /// A client by its address and the one that it connected to.
    pub(super) fn new(pool: usize, peer: SocketAddr, local: SocketAddr, pace: Rc<Pace>, socket: TcpStream) -> Self {
        Self {
            pool,
            origin: Origin::new(peer.ip(), local),
            pace,
            socket: RefCell::new(socket),
            input: RefCell::default(),
            has_reader: Cell::default(),
            rest: RefCell::default(),
            expects: Cell::default(),
            said: Cell::default(),
            has_ended: Cell::default(),
        }
    }

    /// Takes what was read.
    pub(crate) fn take_input(&self) -> Bytes {
        self.input.take().freeze()
    }

    /// The same, to go on reading into it.
    pub(super) fn take_unread(&self) -> BytesMut {
        self.input.take()
    }

    /// Puts back what was read, to be taken next. Nothing else may be there. A buffer is not kept for its own sake.
    pub(super) fn unread(&self, bytes: BytesMut) {
        debug_assert!(self.input.borrow().is_empty(), "what came before is not to be lost");
        if bytes.is_empty() {
            return;
        }
        let is_mostly_empty = bytes.capacity() > bytes.len().saturating_mul(MOST_ROOM);
        self.input.replace(if is_mostly_empty { BytesMut::from(&bytes[..]) } else { bytes });
    }

    /// Whether something was read that nobody took.
    pub(super) fn has_input(&self) -> bool {
        !self.input.borrow().is_empty()
    }

    /// The body of the request in hand has somebody who reads it. `expects`: its client waits for a word before it sends any.
    pub(crate) fn lend_body(&self, expects: bool) {
        self.has_reader.set(true);
        self.expects.set(expects);
        self.said.set(0);
    }

    /// Takes a body back, read to its end or not. What was read behind what was taken of it comes next: unread bytes have one
    /// place alone, so that their order is that of the socket.
    pub(crate) fn leave_body(&self, mut body: Inbound) {
        self.has_reader.set(false);
        let behind = body.take_rest();
        if !behind.is_empty() {
            self.unread(BytesMut::from(behind));
        }
        self.rest.replace((!body.is_done()).then_some(body));
    }

    /// What is left of the body that was read last.
    pub(super) fn take_rest(&self) -> Option<Inbound> {
        self.rest.take()
    }

    /// Whether the client waits for a word before it sends the body in hand.
    pub(crate) fn expects(&self) -> bool {
        self.expects.get()
    }

    /// Something of the body came.
    pub(crate) fn take_body(&self) {
        self.expects.set(false);
        self.pace.take_body();
    }

    /// Lets a client go on that waits for a word, unless an answer has begun: then it gets none.
    pub(crate) fn poll_continue(&self, cx: &mut Context<'_>) -> Poll<()> {
        while self.expects() && self.pace.phase() == Phase::Request {
            let said = self.said.get();
            match ready!(Pin::new(&mut self.writing()).poll_write(cx, &CONTINUE[said..])) {
                Ok(more @ 1..) if said + more < CONTINUE.len() => self.said.set(said + more),
                _ => self.expects.set(false), // said, or the socket is dead, which whoever reads will notice
            }
        }
        Poll::Ready(())
    }

    /// Whether half a word was said: nothing that follows could be understood.
    pub(super) fn is_cut_off(&self) -> bool {
        self.expects() && self.said.get() > 0
    }

    /// Ready if the client has left while it is answered. Looked for with the first tick and from then on: most answers are
    /// there before. What it sends meanwhile is kept, as much as fits into the scratch; more stays with the system.
    pub(super) fn poll_leave(&self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<()> {
        if !self.pace.is_watched() || self.has_reader.get() {
            return Poll::Pending;
        }
        loop {
            let mut input = self.input.borrow_mut();
            let room = scratch.len().saturating_sub(input.len());
            if room == 0 {
                return Poll::Pending;
            }
            let mut buffer = ReadBuf::new(&mut scratch[..room]);
            match ready!(self.poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => input.extend_from_slice(buffer.filled()),
                _ => return Poll::Ready(()),
            }
        }
    }

    /// Lets the connection end with a reset from now on, whatever ends it, the process too; or cleanly again.
    pub(super) fn set_reset(&self, is_reset: bool) {
        let linger = is_reset.then_some(Duration::ZERO);
        let _ = SockRef::from(&*self.socket.borrow()).set_linger(linger); // it fails only on a socket that is dead already
    }

    /// Whether the client sent more than was read, as far as the runtime knows: the system is not asked, since nearly all
    /// send nothing more.
    pub(super) fn has_more(&self, cx: &mut Context<'_>) -> bool {
        self.has_input() || !self.has_ended.get() && self.socket.borrow().poll_read_ready(cx).is_ready()
    }

    /// Reads.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut *self.socket.borrow_mut()).poll_read(cx, buffer);
        if read.is_ready() && buffer.filled().len() == before {
            self.has_ended.set(true);
        }
        read
    }

    /// Its end that is read.
    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading(self)
    }

    /// Its end that is written.
    pub(super) fn writing(&self) -> Writing<'_> {
        Writing(self)
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.pace.stall(),
            Poll::Ready(_) => self.pace.sent(),
        }
        written
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A bug left the answer in the midst: nobody is to take it for whole.
        if std::thread::panicking() {
            self.set_reset(true);
        }
    }
}

/// What a client sends.
pub(crate) struct Reading<'a>(&'a Client);

impl AsyncRead for Reading<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read(cx, buffer)
    }
}

/// What a client gets; its pace is told what goes and what does not.
pub(crate) struct Writing<'a>(&'a Client);

impl AsyncWrite for Writing<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.note(Pin::new(&mut *self.0.socket.borrow_mut()).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.note(Pin::new(&mut *self.0.socket.borrow_mut()).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.socket.borrow_mut()).poll_shutdown(cx)
    }
}
