//! No two clients' answers are ever mixed, whoever misbehaves: random exchanges, every body compared byte by byte.
//!
//! Clients by hand and by hyper ask endpoints by hand and by hyper: keep-alive, pipelined, with bodies of every framing,
//! `Expect`, and some leave in the midst of it. Endpoints answer in every framing, early, in small pieces, after other
//! answers, with bytes that nobody asked for, and some break off, reset, or close what they just used.
//! `EVENKEEL_EXCHANGES=100000` runs so many; `EVENKEEL_SEED` repeats a run.

mod client;
mod plan;
mod upstream;

use std::sync::Arc;

use crate::pool::Pool;
use crate::proxy::Proxy;
use plan::Record;

/// What fits into a daily run.
const EXCHANGES: u64 = 12_000;
const CLIENTS: u64 = 24;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

#[tokio::test]
async fn no_two_clients_answers_are_ever_mixed() {
    let exchanges = number("EVENKEEL_EXCHANGES").unwrap_or(EXCHANGES);
    let seed = number("EVENKEEL_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("EVENKEEL_SEED={seed} EVENKEEL_EXCHANGES={exchanges}");
    let record = Arc::<Record>::default();
    let endpoints = [upstream::raw(&record).await, upstream::raw(&record).await, upstream::hyper(&record).await];
    let pool = Pool { response_header: "60s", ..Pool::of(&endpoints) }; // a busy machine is not what is tested
    let proxy = Proxy::start(&pool).await;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let random = fastrand::Rng::with_seed(seed ^ number << 32);
            let first = number * exchanges;
            tokio::spawn(client::run(proxy.addr, random, first..first + exchanges / CLIENTS, Arc::clone(&record)))
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    proxy.settles().await;
    println!("{:?}", record.counts());
    assert_eq!(record.wrong(), Vec::<String>::new());
    let (whole, asked) = (record.count("whole"), record.counts().values().sum::<u64>());
    assert!(whole * 10 > asked * 8, "{whole} of {asked} whole: a test of failures alone proves little");
    assert_eq!(proxy.failures("DPE").await, 0, "no client sent what is not HTTP");
}
