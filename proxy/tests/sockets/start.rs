//! The start: what is wrong is said, with what to do, and nothing is half up.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use evenkeel_tests::process::{ChildGuard, Finished};

use crate::endpoint::Endpoint;
use crate::pool::{PORT, Pool};
use crate::proxy::{Proxy, command, own_address, until};
use crate::wire::{Conn, GET, OK, SOON, field, status};

/// Runs to the end, which must come by itself.
async fn ends(arguments: Vec<String>) -> Finished {
    let mut command = command();
    command.args(arguments);
    tokio::task::spawn_blocking(move || ChildGuard::spawn(command).unwrap().finish(SOON)).await.unwrap().unwrap()
}

fn failed(finished: &Finished) -> String {
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    finished.stderr.join("\n")
}

fn arguments(file: &std::path::Path, ip: std::net::IpAddr, admin: SocketAddr) -> Vec<String> {
    let (file, ip, admin) = (file.display().to_string(), ip.to_string(), admin.to_string());
    ["--pool", &file, "--bind", &ip, "--admin", &admin].map(str::to_owned).into()
}

#[tokio::test]
async fn a_port_in_use_ends_the_start_with_what_to_do() {
    let endpoint = Endpoint::answering(OK).await;
    let pool = Pool::of(&[endpoint.addr]);
    let proxy = Proxy::start(&pool).await;
    let free = SocketAddr::from((own_address(), 19_440));

    let error = failed(&ends(arguments(&proxy.path(), proxy.addr.ip(), free)).await);
    assert!(error.contains(&format!("cannot listen on {}", proxy.addr)), "{error}");
    assert!(error.contains("in use") && error.contains("spec.listener.port"), "{error}");
    let error = failed(&ends(arguments(&proxy.path(), own_address().into(), proxy.admin)).await);
    assert!(error.contains("in use") && error.contains("--admin"), "{error}");
    // Who came second took nothing from who was first.
    for _ in 0..20 {
        assert_eq!(status(&proxy.ask(GET).await.0), 200);
    }

    // Sharing by SO_REUSEPORT is for our own threads.
    let taken = TcpListener::bind((own_address(), PORT)).unwrap();
    let error = failed(&ends(arguments(&proxy.path(), taken.local_addr().unwrap().ip(), free)).await);
    assert!(error.contains("cannot listen on"), "{error}");
}

#[tokio::test]
async fn a_bad_file_ends_the_start_with_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pool.yaml");
    std::fs::write(&file, Pool::of(&[]).yaml().replace("port: 18080", "port: 9440")).unwrap();
    let error = failed(&ends(arguments(&file, own_address().into(), (own_address(), 19_440).into())).await);
    assert!(error.contains("pool.yaml:5: spec.listener"), "{error}");
    std::fs::remove_file(&file).unwrap();
    let error = failed(&ends(arguments(&file, own_address().into(), (own_address(), 19_440).into())).await);
    assert!(error.contains("pool.yaml: No such file"), "{error}");
}

#[tokio::test]
async fn it_listens_on_ipv6_too() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return; // a machine without IPv6
    }
    let endpoint = Endpoint::answering(OK).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pool.yaml");
    // Nothing else of these tests is on ::1.
    std::fs::write(&file, Pool::of(&[endpoint.addr]).yaml()).unwrap();
    let mut command = command();
    command.args(arguments(&file, "::1".parse().unwrap(), (own_address(), 19_440).into()));
    let process = ChildGuard::spawn(command).unwrap();
    process.stderr().wait_for(SOON, |line| line.contains("started").then_some(())).unwrap();
    let mut client = Conn::connect(format!("[::1]:{PORT}").parse().unwrap()).await;
    client.send(GET).await;
    assert_eq!(status(&client.answer().await.0), 200);
    assert_eq!(field(&endpoint.heads()[0], "x-forwarded-for"), Some("::1"));
}

#[tokio::test]
async fn logs_have_no_colours_where_there_is_no_terminal() {
    let endpoint = Endpoint::answering(OK).await;
    let pool = Pool::of(&[endpoint.addr]);
    let proxy = Proxy::start(&pool).await;
    let log = proxy.log().join("\n");
    assert!(log.contains("listening") && !log.contains('\u{1b}'), "{log:?}");

    let proxy = Proxy::with(&[&pool], &["--log-format", "json"]).await;
    proxy.edit_text("nonsense");
    until("the refusal is logged", async || proxy.log().iter().any(|line| line.contains("refusal"))).await;
    for line in proxy.log() {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(line["message"].is_string() && line["level"].is_string(), "{line}");
    }
    let log = proxy.log().join("\n");
    assert!(log.contains(r#""message":"table refused; the last good one stays""#), "{log}");
}

#[tokio::test]
async fn check_says_what_run_would() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good.yaml"), folder.path().join("bad.yaml"));
    let yaml = Pool::of(&["127.0.0.1:1".parse().unwrap()]).yaml();
    std::fs::write(&good, &yaml).unwrap();
    std::fs::write(&bad, yaml.replace("connect: 2s", "connect: 2 s")).unwrap();
    let check = async |files: &[&std::path::Path]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_evenkeel-proxy"));
        command.arg("check").args(files);
        let run = move || ChildGuard::spawn(command).unwrap().finish(Duration::from_secs(20));
        let finished = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
        (finished.status.code(), finished.stdout.join("\n"))
    };
    let (code, text) = check(&[&good]).await;
    assert!(code == Some(0) && text.contains("ok: pool web"), "{text}");
    let (code, text) = check(&[&bad, &good]).await;
    assert!(code == Some(1) && text.contains("bad.yaml:6: spec.timeouts"), "{text}");
    assert!(text.contains("ok: pool web"), "{text}");
}
