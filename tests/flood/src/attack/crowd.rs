//! More clients than there is room for, from two addresses: those who are in stay in, the others are told at once.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use crate::cases::{Case, Manner};
use crate::rig::{PATIENCE, Rig};

/// At once: a queue of connections that are not accepted yet is not what is tested.
const ARRIVING: usize = 128;
const PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn run(case: &Case, manner: Manner, rig: &Rig, seconds: u64) -> anyhow::Result<String> {
    let since = Instant::now();
    let arriving = stream::iter(0..case.connections).map(|number| arrive(rig.addr, number));
    let mut crowd: Vec<_> = arriving.buffer_unordered(ARRIVING).try_collect().await?;
    let arrived = since.elapsed();
    let most = case.limit.unwrap_or(u64::MAX);
    let deadline = Instant::now() + PATIENCE;
    while open(&crowd) > most || rig.gauge.clients().await? < case.inside() {
        ensure!(Instant::now() < deadline, "{} of {} are in, not {most}", open(&crowd), crowd.len());
        sleep(PAUSE).await;
    }
    crowd.retain(is_open);
    let inside = crowd.len();
    if manner == Manner::Asking {
        let asked = stream::iter(crowd).map(ask_once).buffer_unordered(ARRIVING);
        crowd = asked.try_collect().await.context("who is in is served")?;
    }
    sleep(Duration::from_secs(seconds)).await; // that is the flood: they stay
    crowd.retain(is_open);
    ensure!(crowd.len() == inside, "{} of {inside} who were in are left", crowd.len());
    Ok(format!("{} came within {:.1} s, {inside} got in", case.connections, arrived.as_secs_f64()))
}

/// From one of two addresses.
async fn arrive(to: SocketAddr, number: u64) -> anyhow::Result<TcpStream> {
    let from = Ipv4Addr::new(10, 201, 0, if number.is_multiple_of(2) { 1 } else { 2 });
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    Ok(timeout(PATIENCE, socket.connect(to)).await??)
}

async fn ask_once(mut stream: TcpStream) -> anyhow::Result<TcpStream> {
    let mut answer = [0; 512];
    stream.write_all(b"GET /?bytes=4 HTTP/1.1\r\nHost: a\r\n\r\n").await?;
    let read = timeout(PATIENCE, stream.read(&mut answer)).await??;
    ensure!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer[..read]));
    Ok(stream)
}

fn open(crowd: &[TcpStream]) -> u64 {
    crowd.iter().filter(|stream| is_open(stream)).count() as u64
}

/// Whether the proxy has not closed it.
fn is_open(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0; 1024]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}
