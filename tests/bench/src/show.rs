//! `show`: what each proxy makes of a request. Whoever compares them looks first whether they do the same work.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::output::say;
use crate::rig::{PEERS, Peer, Place, Running, Setting, Under};
use crate::works::BACKEND_PORTS;

/// With fields that a proxy must not pass on, and one that it must extend.
const FIELDS: &str =
    "Host: a.example\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive\r\nX-Forwarded-For: 192.0.2.1\r\n";
/// Enough to see the round robin.
const REQUESTS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(10);
/// No head here is longer.
const LONGEST: usize = 65_536;

/// Shows it for each proxy that is installed.
pub(crate) fn run(place: &Place) -> anyhow::Result<()> {
    for port in BACKEND_PORTS {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
        thread::spawn(move || echo(&listener, port));
    }
    for peer in PEERS.iter().filter(|peer| peer.installed(place).is_some()) {
        let running = Running::start(place, peer, Setting::default(), Under::Nothing)?;
        show(peer).with_context(|| peer.name)?;
        running.stop()?;
    }
    Ok(())
}

fn show(peer: &Peer) -> anyhow::Result<()> {
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, peer.port))?;
    client.set_read_timeout(Some(PATIENCE))?;
    let answers = (0..REQUESTS).map(|number| ask(&mut client, number)).collect::<anyhow::Result<Vec<_>>>()?;
    let ports: Vec<_> = answers.iter().filter_map(|(_, body)| body.split_once('|')).map(|(port, _)| port).collect();
    let (answer, seen) = &answers[0];
    say(&format!("\n{}: upstreams {}", peer.name, ports.join(" ")))?;
    say(&format!("  forwarded: {:?}\n  answered:  {answer:?}", seen.split_once('|').map_or("", |(_, head)| head)))
}

/// Head and body of one answer.
fn ask(client: &mut TcpStream, number: usize) -> anyhow::Result<(String, String)> {
    client.write_all(format!("GET /1k?x={number} HTTP/1.1\r\n{FIELDS}\r\n").as_bytes())?;
    let mut received = String::new();
    loop {
        if let Some((head, body)) = received.split_once("\r\n\r\n")
            && body.len() >= length(head).context("an answer without Content-Length")?
        {
            return Ok((head.to_owned(), body.to_owned()));
        }
        if read(client, &mut received)? == 0 {
            bail!("the connection ended after {received:?}");
        }
    }
}

fn length(head: &str) -> Option<usize> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let value = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value).next();
    value?.trim().parse().ok()
}

/// A backend that answers with its port and the head that it received.
fn echo(listener: &TcpListener, port: u16) {
    for stream in listener.incoming().flatten() {
        // An end in the middle is the proxy's way to say that it has enough.
        thread::spawn(move || echo_one(stream, port));
    }
}

fn echo_one(mut stream: TcpStream, port: u16) -> io::Result<()> {
    let mut head = String::new();
    while read(&mut stream, &mut head)? > 0 && head.len() < LONGEST {
        if head.ends_with("\r\n\r\n") {
            let body = format!("{port}|{head}");
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
            head.clear();
        }
    }
    Ok(())
}

fn read(stream: &mut TcpStream, into: &mut String) -> io::Result<usize> {
    let mut buffer = [0; 4_096];
    let read = stream.read(&mut buffer)?;
    into.push_str(&String::from_utf8_lossy(&buffer[..read]));
    Ok(read)
}
