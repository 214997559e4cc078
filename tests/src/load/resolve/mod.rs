//! Names to addresses without libc: a static binary in an empty image has no `getaddrinfo` that works.
//!
//! As glibc does it, in short: `/etc/hosts`, then the name servers of `/etc/resolv.conf` with its search list; A before AAAA.
//! UDP alone: an answer that was cut off still has more addresses than the client needs.

mod conf;
mod message;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io};

use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use conf::{ResolvConf, in_hosts};
use message::{Answer, Kind, NotAnAnswer};

/// A lost packet should cost less than a request's time-out; name servers of a cluster answer within milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// As often each name server is asked.
const ROUNDS: usize = 3;
/// Answers are used for their TTL, but at least as long (a TTL of 0 must not mean a lookup a request) …
const SHORTEST: Duration = Duration::from_secs(1);
/// … and at most as long: a client that runs for hours should see changes.
const LONGEST: Duration = Duration::from_secs(30);

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The name servers know of no address.
    #[error("{0} has no address")]
    NotFound(String),
    /// No name server answered.
    #[error("no name server answered for {0}")]
    Timeout(String),
    /// A name server refused or failed.
    #[error("the name server failed for {name} (code {code})")]
    Refused {
        /// The name asked for.
        name: String,
        /// RFC 1035 §4.1.1, RCODE.
        code: u8,
    },
    /// The question could not be sent.
    #[error("cannot ask {server} for {name}: {error}")]
    Io {
        /// The name asked for.
        name: String,
        /// The name server.
        server: SocketAddr,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

/// Looks names up and remembers the last one: a run has one target.
#[derive(Debug)]
pub struct Resolver {
    conf: ResolvConf,
    hosts: String,
    known: Mutex<Option<Known>>,
    /// Who wants to ask: the others wait, and find the answer in the memory.
    turn: Semaphore,
}

#[derive(Clone, Debug)]
struct Known {
    name: String,
    addresses: Vec<IpAddr>,
    until: Instant,
}

impl Resolver {
    /// As the machine or the pod is set up. A file that is not there counts as empty.
    #[must_use]
    pub fn system() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::new(&read("/etc/resolv.conf"), &read("/etc/hosts"))
    }

    /// With the contents of `resolv.conf` and `hosts`.
    #[must_use]
    pub fn new(resolv_conf: &str, hosts: &str) -> Self {
        Self {
            conf: ResolvConf::parse(resolv_conf),
            hosts: hosts.to_owned(),
            known: Mutex::default(),
            turn: Semaphore::new(1),
        }
    }

    /// The addresses of a name, beginning with any of them.
    pub async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let mut addresses = match self.remembered(name) {
            Some(addresses) => addresses,
            None => self.look_up_in_turn(name).await?,
        };
        let any = fastrand::usize(..addresses.len().max(1));
        addresses.rotate_left(any);
        Ok(addresses)
    }

    fn remembered(&self, name: &str) -> Option<Vec<IpAddr>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref().filter(|known| known.name == name && Instant::now() < known.until);
        known.map(|known| known.addresses.clone())
    }

    async fn look_up_in_turn(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let _turn = self.turn.acquire().await; // it is never closed
        match self.remembered(name) {
            Some(addresses) => Ok(addresses),
            None => self.look_up(name).await,
        }
    }

    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let mut addresses = in_hosts(&self.hosts, name);
        let mut lifetime = LONGEST;
        // RFC 6761 §6.3: this name is never asked for.
        if addresses.is_empty() && name.trim_end_matches('.') == "localhost" {
            addresses.push(Ipv4Addr::LOCALHOST.into());
        }
        if addresses.is_empty() {
            let answer = self.ask_for_all(name).await?;
            lifetime = answer.ttl.clamp(SHORTEST, LONGEST);
            addresses = answer.addresses;
        }
        let known = Known { name: name.to_owned(), addresses: addresses.clone(), until: Instant::now() + lifetime };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(addresses)
    }

    /// Tries the name with each domain of the search list.
    async fn ask_for_all(&self, name: &str) -> Result<Answer, LookupError> {
        for candidate in self.conf.candidates(name) {
            for kind in [Kind::A, Kind::Aaaa] {
                match self.ask_servers(&candidate, kind).await {
                    Ok(answer) if answer.addresses.is_empty() => {}
                    Ok(answer) => return Ok(answer),
                    // The name does not exist, then neither with the other kind of address.
                    Err(LookupError::NotFound(_)) => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Err(LookupError::NotFound(name.to_owned()))
    }

    /// Asks one server after the other; the first that knows decides.
    async fn ask_servers(&self, name: &str, kind: Kind) -> Result<Answer, LookupError> {
        let mut failure = LookupError::Timeout(name.to_owned());
        for _ in 0..ROUNDS {
            for server in &self.conf.servers {
                match ask(*server, name, kind).await {
                    Ok(answer) => return Ok(answer),
                    Err(error @ LookupError::NotFound(_)) => return Err(error),
                    Err(error) => failure = error,
                }
            }
        }
        Err(failure)
    }
}

async fn ask(server: SocketAddr, name: &str, kind: Kind) -> Result<Answer, LookupError> {
    let id = fastrand::u16(..);
    let not_found = || LookupError::NotFound(name.to_owned());
    let question = message::question(id, name, kind).ok_or_else(not_found)?;
    match timeout(PATIENCE, exchange(server, &question, id, kind)).await {
        Err(_) => Err(LookupError::Timeout(name.to_owned())),
        Ok(Err(error)) => Err(LookupError::Io { name: name.to_owned(), server, error }),
        Ok(Ok(Err(message::NAME_ERROR))) => Err(not_found()),
        Ok(Ok(Err(code))) => Err(LookupError::Refused { name: name.to_owned(), code }),
        Ok(Ok(Ok(answer))) => Ok(answer),
    }
}

/// Sends the question from a port of its own and waits for the answer to it, or the server's error code.
async fn exchange(server: SocketAddr, question: &[u8], id: u16, kind: Kind) -> io::Result<Result<Answer, u8>> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buffer = [0; 4_096];
    loop {
        let size = socket.recv(&mut buffer).await?;
        match message::answer(&buffer[..size], id, kind) {
            Ok(answer) => return Ok(Ok(answer)),
            Err(NotAnAnswer::Code(code)) => return Ok(Err(code)),
            Err(NotAnAnswer::Stray) => {} // an answer to an older question, or garbage: go on waiting
        }
    }
}

#[cfg(test)]
mod tests;
