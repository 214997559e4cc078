//! No two clients' answers are ever mixed, whoever misbehaves: random exchanges, every body compared byte by byte.
//!
//! Clients by hand and by hyper ask endpoints by hand and by hyper: keep-alive, pipelined, with bodies of every framing,
//! `Expect`, and some leave in the midst of it. Endpoints answer in every framing, early, in small pieces, after other
//! answers, with bytes that nobody asked for, and some break off, reset, or close what they just used.
//! `EVENKEEL_EXCHANGES=100000` runs so many; `EVENKEEL_SEED` repeats a run. `make soak` runs millions: then memory must be flat.

mod client;
mod plan;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use evenkeel_tests::memory::{Course, rss_kb};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use crate::pool::Pool;
use crate::proxy::Proxy;
use plan::Record;

/// What fits into a daily run.
const EXCHANGES: u64 = 12_000;
const CLIENTS: u64 = 24;
/// After the first fifth memory is flat but for that: in percent, and what a few thousand exchanges cannot even out.
const GROWTH: (u64, u64) = (5, 1_500);
const LOOK: Duration = Duration::from_millis(50);

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
    let clients = (0..CLIENTS).map(|number| {
        let random = fastrand::Rng::with_seed(seed ^ number << 32);
        let first = number * exchanges;
        client::run(proxy.addr, random, first..first + exchanges / CLIENTS, Arc::clone(&record))
    });
    let course = watch(clients.collect(), proxy.id(), &record).await;
    proxy.settles().await;
    println!("{:?}", record.counts());
    assert_eq!(record.wrong(), Vec::<String>::new());
    let (whole, asked) = (record.count("whole"), record.done());
    assert!(whole * 10 > asked * 8, "{whole} of {asked} whole: a test of failures alone proves little");
    assert_eq!(proxy.failures("DPE").await, 0, "no client sent what is not HTTP");
    is_flat(&course, exchanges);
}

/// Lets all clients come to their end, and looks at the proxy's memory meanwhile.
async fn watch(mut clients: JoinSet<()>, proxy: u32, record: &Record) -> Course {
    let (mut course, mut looks, mut told, since) = (Course::default(), interval(LOOK), 0, Instant::now());
    loop {
        tokio::select! {
            ended = clients.join_next() => match ended {
                Some(ended) => ended.unwrap(),
                None => return course,
            },
            _ = looks.tick() => {
                let (done, kb) = (record.done(), rss_kb(proxy));
                course.note(done, kb);
                if done >= told + 250_000 {
                    tell(&format!("{done} exchanges after {} s: {kb} kB", since.elapsed().as_secs()));
                    told = done;
                }
            }
        }
    }
}

/// Whatever is kept of an exchange, or of a connection, would show.
fn is_flat(course: &Course, exchanges: u64) {
    let fifths = course.fifths().expect("each fifth was looked at");
    tell(&format!(
        "RSS in kB: {fifths:?} in the mean of each fifth, {} at most, {exchanges} exchanges",
        course.peak_kb()
    ));
    let [_, second, later @ ..] = fifths;
    let most = second + second * GROWTH.0 / 100 + if exchanges < 100_000 { GROWTH.1 } else { 0 };
    assert!(later.iter().all(|kb| *kb <= most), "memory grows: {fifths:?} kB");
}

#[allow(clippy::print_stdout, reason = "figures for whoever runs it")]
fn tell(line: &str) {
    println!("{line}");
}
