//! A load client in a pod of the cluster, and what it saw.

use std::time::Duration;

use evenkeel_tests::load::{Change, Counts, LoadReport};
use evenkeel_tests::process::ChildGuard;

use crate::application::{Application, CONTAINER};
use crate::cluster::{eventually, timed};
use crate::side::SIDE;
use crate::stage::{SHOP, Stage};

/// What a busy machine may take to start a pod.
const START: Duration = Duration::from_secs(60);
/// How long the client takes to end: its requests may be as slow as their time-out of 10 s.
const END: Duration = Duration::from_secs(30);
/// A user's load: half of the requests on kept connections, half on one of their own; 10 s without an answer is a failure.
pub(crate) const STEADY: &str = "--rate 200 --keep-alive-percent 50 --concurrency 32 --timeout 10s";

/// A running client. Dropping it removes the pod; in a failing test it says first what went wrong.
pub(crate) struct Load<'a> {
    stage: &'a Stage,
    pod: String,
    log: ChildGuard,
}

impl<'a> Load<'a> {
    /// Starts a pod of that name which sends to the address of the pool's Service, with further arguments of `load`.
    pub(crate) fn start(stage: &'a Stage, pod: &str, arguments: &str) -> Self {
        Self::to(stage, pod, &format!("--url http://{}/ {arguments}", stage.service_address()))
    }

    /// The same, with all arguments.
    pub(crate) fn to(stage: &'a Stage, pod: &str, arguments: &str) -> Self {
        eprintln!("$ load {arguments}");
        Self::play(stage, pod, Application::sending(stage, arguments))
    }

    /// Starts a pod whose sidecar has the pool `side`, and which sends to that.
    pub(crate) fn beside(stage: &'a Stage, pod: &str, arguments: &str) -> Self {
        let arguments = format!("--url {} {arguments}", SIDE.url());
        eprintln!("$ load {arguments} # with a sidecar");
        Self::play(stage, pod, Application::sending(stage, &arguments).with_sidecar(SIDE.name))
    }

    /// Starts a pod with an application.
    pub(crate) fn play(stage: &'a Stage, pod: &str, application: Application) -> Self {
        let cluster = &stage.cluster;
        cluster.apply(SHOP, &application.pod(pod)).unwrap();
        eventually(&format!("the pod {pod} starts"), START, || {
            let phase = cluster.attempt(&format!("kubectl -n {SHOP} get pod {pod} -o jsonpath={{.status.phase}}"));
            phase.is_ok_and(|phase| phase != "Pending").then_some(())
        });
        let log = follow(stage, pod);
        Self { stage, pod: pod.to_owned(), log }
    }

    /// Starts the usual load and waits until it runs.
    pub(crate) fn steady(stage: &'a Stage, pod: &str) -> Self {
        Self::start(stage, pod, STEADY).running()
    }

    /// Waits until it has run for a second.
    pub(crate) fn running(self) -> Self {
        self.await_second("the load runs", START, |report| report.counts.total >= 200);
        self
    }

    /// Follows the log again from its beginning, after the API server was away.
    pub(crate) fn listen_again(&mut self) {
        self.log = follow(self.stage, &self.pod);
    }

    /// The pod's name.
    pub(crate) fn pod(&self) -> &str {
        &self.pod
    }

    /// The first second, past or to come, that is as wanted.
    pub(crate) fn await_second(&self, what: &str, within: Duration, is: impl Fn(&LoadReport) -> bool) -> LoadReport {
        let find =
            |line: &str| serde_json::from_str::<LoadReport>(line).ok().filter(|line| line.second.is_some() && is(line));
        timed(what, || self.log.stdout().wait_for(within, find)).unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Goes on for so many seconds from now: waiting is measured by what the client has done meanwhile.
    pub(crate) fn go_on(&self, seconds: u64) {
        self.go_on_until(now_ms() + 1_000 * seconds);
    }

    /// Goes on until then.
    pub(crate) fn go_on_until(&self, unix_ms: u64) {
        let left = Duration::from_millis(unix_ms.saturating_sub(now_ms()));
        self.await_second("the load goes on", left + END, |report| report.unix_ms >= unix_ms);
    }

    /// The counts of the first whole second that begins that much after a moment.
    pub(crate) fn second_after(&self, unix_ms: u64, later_ms: u64) -> Counts {
        let begins = unix_ms + later_ms;
        let second = self.await_second("the load goes on", END, |report| report.unix_ms >= begins + 1_000);
        second.second.unwrap_or_default()
    }

    /// The first time at or after a moment that this server answered in place of another.
    pub(crate) fn change_to(&self, server: &str, since_us: u64, within: Duration) -> Change {
        let find = |line: &str| Change::parse(line).filter(|change| change.to == server && change.unix_us >= since_us);
        self.log.stdout().wait_for(within, find).unwrap_or_else(|error| panic!("no change to {server}: {error}"))
    }

    /// Ends the client as a pod ends, and gives its last word.
    pub(crate) fn finish(self) -> LoadReport {
        self.stage.cluster.attempt(&format!("kubectl -n {SHOP} delete pod {} --wait=false", self.pod)).unwrap();
        self.last_word()
    }

    /// Waits until the client ends by itself.
    pub(crate) fn last_word(self) -> LoadReport {
        let found = timed("the load client's last word", || self.log.stdout().wait_for(END, LoadReport::find_in));
        found.unwrap_or_else(|error| panic!("the load client {} gave no summary: {error}", self.pod))
    }
}

/// By container, else kubectl says each time which one it has chosen.
fn follow(stage: &Stage, pod: &str) -> ChildGuard {
    stage.cluster.follow(&format!("kubectl -n {SHOP} logs --follow --container={CONTAINER} {pod}"))
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.log.stdout().so_far();
            let failed = lines.iter().filter(|line| line.starts_with("failed ")).take(20);
            let last = lines.iter().rev().take(3);
            failed.chain(last).for_each(|line| eprintln!("{}: {line}", self.pod));
        }
        let _ = self.stage.cluster.attempt(&format!(
            "kubectl -n {SHOP} delete pod {} --ignore-not-found --wait=false --grace-period=1",
            self.pod
        ));
    }
}

/// Not one request failed, and next to none had to be sent a second time.
pub(crate) fn assert_lossless(report: &LoadReport) {
    let counts = &report.counts;
    eprintln!(
        "{} requests, {} failed, {} replayed, p50 {} ms, p99 {} ms, longest {} ms, {:?}",
        counts.total, counts.failed, counts.replays, counts.p50_ms, counts.p99_ms, counts.max_ms, counts.by_server
    );
    assert_eq!(counts.failed, 0, "{:?} {:#?}", counts.failures, report.first_failures);
    assert!(counts.replays * 1_000 < counts.total, "{} of {} were replayed", counts.replays, counts.total);
}

/// Each backend has its share of the good answers within 5 points; who shall have none has none.
#[allow(clippy::cast_precision_loss, reason = "counts of a test stay far below 2^52")]
pub(crate) fn assert_shares(counts: &Counts, weights: [u32; 3]) {
    let sum = f64::from(weights.iter().sum::<u32>());
    for (name, weight) in ["v1", "v2", "v3"].into_iter().zip(weights) {
        let answers = counts.by_server.get(name).copied().unwrap_or(0);
        let (share, wanted) = (100.0 * answers as f64 / counts.ok.max(1) as f64, 100.0 * f64::from(weight) / sum);
        let close = if weight == 0 { answers == 0 } else { (share - wanted).abs() <= 5.0 };
        assert!(close, "{name} has {share:.1} % instead of {wanted:.1} %: {:?}", counts.by_server);
    }
}

/// The wall clock, which the pods share.
pub(crate) fn now_ms() -> u64 {
    evenkeel_tests::clock::unix_us(std::time::SystemTime::now()) / 1_000
}
