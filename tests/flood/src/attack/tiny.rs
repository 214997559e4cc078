//! Very many very small fields: a head that is just small enough, one field too many, and one that never ends.

use std::time::Duration;

use anyhow::ensure;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::cases::Case;
use crate::rig::{PATIENCE, Rig};

/// What became of their requests.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    served: u64,
    refused: u64,
    other: u64,
}

pub(super) async fn run(case: &Case, rig: &Rig, seconds: u64) -> anyhow::Result<String> {
    let (addr, end) = (rig.addr, Instant::now() + Duration::from_secs(seconds));
    let mut attackers = JoinSet::new();
    for number in 0..case.connections {
        attackers.spawn(async move {
            let mut told = Told::default();
            for turn in number.. {
                if Instant::now() > end {
                    break;
                }
                match timeout(PATIENCE, once(addr, turn)).await {
                    Ok(Ok(200)) => told.served += 1,
                    Ok(Ok(431)) => told.refused += 1,
                    _ => told.other += 1,
                }
            }
            told
        });
    }
    let mut all = Told::default();
    while let Some(told) = attackers.join_next().await {
        let told = told?;
        all = Told {
            served: all.served + told.served,
            refused: all.refused + told.refused,
            other: all.other + told.other,
        };
    }
    ensure!(all.served > 0 && all.refused > 0, "nobody was answered: {all:?}");
    ensure!(all.other == 0, "some were not answered: {all:?}");
    Ok(format!("{} heads of 91 fields served, {} larger ones refused", all.served, all.refused))
}

/// The status of the answer to such a head.
async fn once(addr: std::net::SocketAddr, turn: u64) -> anyhow::Result<u16> {
    let (fields, times) = match turn % 3 {
        0 => (90, 1),
        1 => (400, 1),
        _ => (1_000, 100),
    };
    let mut stream = TcpStream::connect(addr).await?;
    let (mut reading, mut writing) = stream.split();
    let send = async {
        let many = "a:\r\n".repeat(fields);
        writing.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await?;
        for _ in 0..times {
            writing.write_all(many.as_bytes()).await?;
        }
        writing.write_all(b"\r\n").await
    };
    let read = async {
        let mut answer = [0; 12];
        reading.read_exact(&mut answer).await?;
        let status = std::str::from_utf8(&answer[9..])?.parse()?;
        anyhow::Ok(status)
    };
    // Who is refused may be so in the midst of it.
    let (status, _) = tokio::join!(read, send);
    status
}
