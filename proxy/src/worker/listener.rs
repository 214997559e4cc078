//! Sockets that listen: one a worker, on the same port.

use std::{io, net::SocketAddr, time::Duration};

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

/// Connections that wait to be accepted (nginx has 511): a burst that a busy worker takes up within its next turn.
const BACKLOG: i32 = 4096;
/// What of an answer waits in the kernel for a client that does not read, beside what is on its way. Without a bound that is
/// four megabytes each, of memory that all programs of the machine share; with a quarter of this, large answers cost more.
const UNSENT_BYTES: u32 = 512 * 1024;
/// A client that is gone without a word is found out after about a minute and a half.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10)).with_retries(3);

/// Binds an address once for each worker. The kernel shares connections out among them (`SO_REUSEPORT`).
///
/// A port that somebody else listens on is an error, also if he set the same option: before, the address is bound without.
pub(crate) fn bind(address: SocketAddr, workers: usize) -> io::Result<Vec<std::net::TcpListener>> {
    let probe = socket(address)?;
    probe.bind(&address.into())?;
    drop(probe);
    (0..workers).map(|_| listen(address)).collect()
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket(address)?;
    socket.set_reuse_port(true)?;
    // On Linux an accepted socket has these from its listener, without a system call a connection.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEPALIVE)?;
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_an_error() {
        let first = bind(([127, 0, 0, 1], 0).into(), 1).expect("a free port");
        let address = first[0].local_addr().expect("an address");
        assert_eq!(bind(address, 1).expect_err("in use").kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert_eq!(bind(address, 2).expect("free again").len(), 2);
    }

    #[test]
    fn an_accepted_connection_has_the_options_of_its_listener() {
        let listeners = bind(([127, 0, 0, 1], 0).into(), 1).expect("a free port");
        let address = listeners[0].local_addr().expect("an address");
        let _client = std::net::TcpStream::connect(address).expect("connected");
        let (accepted, _) = listeners[0].accept().expect("a connection");
        assert!(accepted.nodelay().expect("an option"));
        let accepted = Socket::from(accepted);
        assert_eq!(accepted.tcp_notsent_lowat().expect("an option"), UNSENT_BYTES);
        assert!(accepted.keepalive().expect("an option"));
        assert_eq!(accepted.tcp_keepalive_time().expect("an option"), Duration::from_secs(60));
        assert_eq!(accepted.tcp_keepalive_interval().expect("an option"), Duration::from_secs(10));
        assert_eq!(accepted.tcp_keepalive_retries().expect("an option"), 3);
    }
}
