//! What is counted is what happened, and what is told of it can be read by Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use evenkeel_tests::load::{Settings, Stop};
use evenkeel_tests::memory::rss_kb;
use evenkeel_tests::metrics::sum;
use tokio::time::Instant;

use crate::endpoint::{Endpoint, nobody};
use crate::pool::{Pool, load, xservers};
use crate::proxy::{Proxy, until};
use crate::wire::{GET, OK, POST, SOON, status};

const REQUESTS: &str = "evenkeel_requests_total";

#[tokio::test]
async fn under_load_on_two_threads_every_request_is_counted_once() {
    let servers = xservers::<2>().await;
    let [a, b] = [0, 1].map(|index| [servers[index].addr()]);
    let dead = [nobody().await];
    let pool = Pool::shared(&[(3, &a), (1, &b), (1, &dead)]);
    let proxy = Proxy::start(&pool).await;
    let sent = 5_000;
    let settings = Settings { stop: Stop::Requests(sent), concurrency: 16, ..Settings::to(&proxy.addr.to_string()) };
    let report = load(Settings { keep_alive_percent: 90, ..settings }).await;
    assert_eq!(report.counts.ok + report.counts.failed, sent);
    proxy.settles().await;
    proxy.reaches(REQUESTS, &[], sent).await;
    for (index, backend) in [r#"backend="b0""#, r#"backend="b1""#].into_iter().enumerate() {
        assert_eq!(proxy.metric(REQUESTS, &[backend, r#"code="2xx""#]).await, servers[index].answered());
        for histogram in ["request_duration", "response_header"] {
            let counted = proxy.metric(&format!("evenkeel_{histogram}_seconds_count"), &[backend]).await;
            let buckets = format!("evenkeel_{histogram}_seconds_bucket");
            assert_eq!(counted, servers[index].answered(), "{histogram}");
            assert_eq!(proxy.metric(&buckets, &[backend, r#"le="+Inf""#]).await, counted, "{histogram}");
        }
        let endpoint = format!("endpoint=\"{}\"", servers[index].addr());
        assert!(proxy.metric("evenkeel_endpoint_selected_total", &[&endpoint]).await >= servers[index].answered());
    }
    let retries = proxy.metric("evenkeel_retries_total", &[]).await;
    let selected = proxy.metric("evenkeel_endpoint_selected_total", &[]).await;
    assert_eq!(selected, sent + retries, "each request is one attempt, and one more for each retry");
    let codes = async |code| proxy.metric(REQUESTS, &[code]).await;
    assert_eq!((codes(r#"code="2xx""#).await, codes(r#"code="5xx""#).await), (report.counts.ok, report.counts.failed));
}

#[tokio::test]
async fn requests_that_reach_no_endpoint_are_counted_too() {
    let endpoint = Endpoint::answering(OK).await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(40 << 10));
    let cases = [
        ("GET / HTTP/1.1\r\n\r\n", 400), // the guard's
        ("no HTTP at all\r\n\r\n", 400), // and the parser's
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (&long, 431),
    ];
    for (index, (request, expected)) in cases.into_iter().enumerate() {
        let mut client = proxy.connect().await;
        client.send(request).await;
        assert_eq!(status(&client.head().await.unwrap()), expected, "{request:.40}");
        drop(client);
        proxy.reaches(REQUESTS, &[r#"backend="""#, r#"code="4xx""#], index as u64 + 1).await;
    }
    assert_eq!(proxy.failures("DPE").await, cases.len() as u64);
    assert_eq!(proxy.metric(REQUESTS, &[]).await, cases.len() as u64);
    assert_eq!(proxy.metric("evenkeel_request_duration_seconds_count", &[]).await, 0, "no endpoint took that time");
}

#[tokio::test]
async fn bytes_are_those_of_bodies_and_times_are_those_of_the_endpoint() {
    let endpoint = Endpoint::start(async |mut accepted| {
        while accepted.request().await.is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(30)).await; // what is measured
            accepted.conn.send(OK).await;
        }
    })
    .await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    for _ in 0..4 {
        assert_eq!(status(&proxy.ask(POST).await.0), 200);
    }
    proxy.settles().await;
    assert_eq!(proxy.metric("evenkeel_request_body_bytes_total", &[]).await, 4 * "abc".len() as u64);
    assert_eq!(proxy.metric("evenkeel_response_body_bytes_total", &[]).await, 4 * "ok".len() as u64);
    for histogram in ["request_duration", "response_header"] {
        let bucket = async |le| proxy.metric(&format!("evenkeel_{histogram}_seconds_bucket"), &[le]).await;
        assert_eq!((bucket(r#"le="0.025""#).await, bucket(r#"le="+Inf""#).await), (0, 4), "{histogram}");
        let all: f64 = sum(&proxy.admin("/metrics").await.1, &format!("evenkeel_{histogram}_seconds_sum"), &[]);
        assert!((0.12..SOON.as_secs_f64()).contains(&all), "{histogram}: {all} s");
    }
}

#[tokio::test]
async fn connections_on_both_sides_are_counted() {
    let endpoint = Endpoint::answering(OK).await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    let mut client = proxy.connect().await;
    for _ in 0..3 {
        client.send(GET).await;
        client.answer().await;
    }
    proxy.reaches("evenkeel_connections_total", &[], 1).await;
    proxy.reaches("evenkeel_upstream_connections_total", &[], 1).await;
    proxy.reaches("evenkeel_upstream_connections_active", &[], 1).await;
    proxy.reaches("evenkeel_upstream_connections_idle", &[], 1).await;
    drop(client);
    proxy.reaches("evenkeel_connections_active", &[], 0).await;
    // After `connectionPool.idleTimeout`, 4 s.
    proxy.reaches("evenkeel_upstream_connections_active", &[], 0).await;
    proxy.reaches("evenkeel_upstream_connections_idle", &[], 0).await;
}

/// By the names that alerts know: how near the process is to its limits.
#[tokio::test]
async fn the_process_and_its_limits_are_told_of() {
    let endpoint = Endpoint::answering(OK).await;
    let pool = Pool::of(&[endpoint.addr]);
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let proxy = Proxy::with(&[&pool], &["--threads", "1", "--max-connections", "37"]).await;
    assert_eq!(proxy.metric("evenkeel_connections_limit", &[]).await, 37);
    let value = async |name: &str| sum::<f64>(&proxy.admin("/metrics").await.1, name, &[]);
    let (open, most) = (value("process_open_fds").await, value("process_max_fds").await);
    assert!(open > 10.0 && open < most, "{open} of {most}");
    let mut clients = Vec::new();
    for _ in 0..30 {
        clients.push(proxy.connect().await);
    }
    proxy.reaches("evenkeel_connections_active", &[], 30).await;
    assert!(value("process_open_fds").await >= open + 25.0, "a descriptor each");
    let (told, seen) = (value("process_resident_memory_bytes").await / 1024.0, rss_kb(proxy.id()));
    assert!((told / f64::from(u32::try_from(seen).unwrap()) - 1.0).abs() < 0.3, "{told} and {seen} kB");
    let start = value("process_start_time_seconds").await;
    assert!((before - 1.0..before + SOON.as_secs_f64()).contains(&start), "{start}, {before}");
    let mut client = clients.pop().unwrap();
    until("processor time grows with work", async || {
        for _ in 0..200 {
            client.send(GET).await;
            client.answer().await;
        }
        value("process_cpu_seconds_total").await > 0.0
    })
    .await;
}

#[tokio::test]
async fn each_endpoint_has_metrics_in_pools_of_up_to_fifty() {
    let addresses = |count: u16| (0..count).map(|port| ([127, 0, 0, 1], 20_000 + port).into()).collect::<Vec<_>>();
    let (few, many): (Vec<SocketAddr>, Vec<SocketAddr>) = (addresses(50), addresses(51));
    let proxy = Proxy::start(&Pool::of(&few)).await;
    assert_eq!(proxy.metric("evenkeel_endpoint_healthy", &[r#"endpoint="127.0.0.1:20007""#]).await, 1);
    let metrics = proxy.admin("/metrics").await.1;
    assert_eq!(format!("{:.0}", sum::<f64>(&metrics, "evenkeel_endpoint_weight", &[])), "50");
    let more = Pool::of(&many);
    proxy.edit(&more);
    proxy.takes(&more).await;
    proxy.reaches("evenkeel_endpoints", &[], 51).await;
    assert_eq!(proxy.metric("evenkeel_endpoints_ready", &[]).await, 51);
    assert!(!proxy.admin("/metrics").await.1.contains("endpoint=\""));
}

/// What `promtool check metrics` would say, and that no client chose a label.
#[tokio::test]
async fn the_exposition_is_sound() {
    let endpoint = Endpoint::answering(OK).await;
    let proxy = Proxy::start(&Pool::of(&[endpoint.addr])).await;
    proxy.ask("GET /chosen-path?chosen-query HTTP/1.1\r\nHost: chosen-host\r\nUser-Agent: chosen-agent\r\n\r\n").await;
    proxy.ask("CHOSEN-METHOD / HTTP/1.1\r\nHost: chosen-host\r\n\r\n").await;
    let (head, text) = proxy.admin("/metrics").await;
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    assert!(!text.to_lowercase().contains("chosen"), "no label by a client");
    assert!(text.ends_with("# EOF\n"));
    let families = families(&text);
    assert!(families.len() > 25, "{families:?}");
    for (name, family) in &families {
        assert!(
            ["evenkeel_", "process_"].iter().any(|prefix| name.starts_with(prefix))
                && !name.ends_with("_total")
                && name.is_ascii(),
            "{name}"
        );
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(family.help.len() > 10 && family.help.ends_with('.'), "{name}: {}", family.help);
        for unit in ["seconds", "bytes"] {
            assert_eq!(name.ends_with(&format!("_{unit}")), family.unit == unit, "{name} in {:?}", family.unit);
        }
        for (sample, labels) in &family.samples {
            let suffix = sample.strip_prefix(name.as_str()).unwrap();
            let allowed: &[&str] = match family.kind.as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "info" => &["_info"],
                "histogram" => &["_bucket", "_sum", "_count"],
                other => panic!("{name} is a {other}"),
            };
            assert!(allowed.contains(&suffix), "{sample} of a {}", family.kind);
            for label in labels {
                let ours =
                    ["namespace", "pool", "backend", "endpoint", "code", "reason", "side", "result", "version", "le"];
                assert!(ours.contains(&label.as_str()), "{sample} has {label}");
            }
        }
    }
}

#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    unit: String,
    samples: Vec<(String, Vec<String>)>,
}

/// Takes the text apart; no line may be of another kind, no series twice.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::<String, Family>::new();
    let mut series = BTreeSet::new();
    let mut current = String::new();
    for line in text.lines().take_while(|line| *line != "# EOF") {
        if let Some(meta) = line.strip_prefix("# ") {
            let [word, name, rest] = meta.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
            let family = families.entry(name.to_owned()).or_default();
            match word {
                "HELP" => family.help = rest.into(),
                "TYPE" => family.kind = rest.into(),
                "UNIT" => family.unit = rest.into(),
                other => panic!("{other} in {line}"),
            }
            current = name.into();
            continue;
        }
        let (key, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.0), "{line}");
        assert!(series.insert(key.to_owned()), "twice: {key}");
        let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
        let labels = labels.strip_suffix('}').unwrap().split(',').filter(|label| !label.is_empty());
        // A reason may have a comma: UF,UT.
        let labels = labels.filter_map(|label| label.split_once("=\"")).map(|(label, _)| label.to_owned()).collect();
        families.get_mut(&current).unwrap().samples.push((name.to_owned(), labels));
    }
    families
}

#[tokio::test]
async fn the_largest_pool_is_told_of_in_no_time() {
    let endpoints: Vec<SocketAddr> = (0..50).map(|port| ([127, 0, 0, 1], 20_000 + port).into()).collect();
    let backends: Vec<_> = (0..64).map(|_| (1, &endpoints[..])).collect();
    let proxy = Proxy::start(&Pool::shared(&backends)).await;
    until("all endpoints are there", async || proxy.metric("evenkeel_endpoints", &[]).await == 3_200).await;
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..5 {
        let since = Instant::now();
        bytes = proxy.admin("/metrics").await.1.len();
        times.push(since.elapsed());
    }
    let best = times.iter().min().unwrap();
    println!("64 backends of 50 endpoints: {bytes} bytes in {best:?}");
    assert!(bytes < 2 << 20, "{bytes} bytes");
    assert!(best.as_millis() < 250, "{best:?}: control does nothing else meanwhile");
}
