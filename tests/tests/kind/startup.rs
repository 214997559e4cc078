//! What a sidecar adds to the start of a pod: printed for the record.

use std::time::{Duration, SystemTime};

use evenkeel_tests::clock::unix_us;
use evenkeel_tests::form::Form;
use evenkeel_tests::load::LoadReport;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, LogParams, PostParams};
use tokio::time::{interval, timeout};

use crate::application::{Application, CONTAINER};
use crate::effect;
use crate::side::SIDE;
use crate::stage::{OPERATOR, SHOP, SYSTEM, Stage, play};

/// Pods of each kind.
const PODS: Form<usize> = Form { short: 6, long: 20 };
/// For a pod on a busy machine.
const POD: Duration = Duration::from_secs(60);
/// Between two looks into a log.
const LOOK: Duration = Duration::from_millis(100);
/// Far above what a quiet machine takes: a sidecar that makes pods wait for seconds is broken.
const BOUND: Duration = Duration::from_secs(5);

#[test]
fn a_sidecar_delays_a_pod_by_little() {
    play("from the creation of a pod to its application's first instruction", |stage| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let pods = Api::namespaced(effect::client(stage, &runtime), SHOP);
        let alone = Application::sending(stage, &format!("--url http://{}/ --requests 1", stage.service_address()));
        let beside = Application::sending(stage, &format!("--url {} --requests 1", SIDE.url())).with_sidecar(SIDE.name);
        let mut times = [Vec::new(), Vec::new()];
        for number in 0..PODS.chosen() {
            // Both at once, so that whatever else the machine does falls on both.
            let alone = start(&pods, format!("alone-{number}"), alone.clone());
            let beside = start(&pods, format!("beside-{number}"), beside.clone());
            let (alone, beside) = runtime.block_on(async { tokio::join!(alone, beside) });
            times[0].push(alone);
            times[1].push(beside);
        }
        let [alone, beside] = times.map(summary);
        let added = beside.0.saturating_sub(alone.0);
        eprintln!(
            "start of a pod: p50 {:?}, max {:?}; with a sidecar: p50 {:?}, max {:?}; added {added:?}",
            alone.0, alone.1, beside.0, beside.1
        );
        assert!(added < BOUND);
        admissions(stage);
    });
}

/// From before the request to create a pod to the start of its application, by one clock.
async fn start(pods: &Api<Pod>, name: String, application: Application) -> Duration {
    let pod: Pod = serde_json::from_str(&application.pod(&name)).unwrap();
    let began = unix_us(SystemTime::now());
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let report = timeout(POD, last_word(pods, &name)).await.unwrap_or_else(|_| panic!("{name} did not end"));
    assert_eq!(report.counts.failed, 0, "{report:?}");
    pods.delete(&name, &DeleteParams::default()).await.unwrap();
    let until_end = Duration::from_millis(report.unix_ms).saturating_sub(Duration::from_micros(began));
    until_end.saturating_sub(Duration::from_secs_f64(report.t))
}

/// Looks into the log until the application has said it: a watch would not tell more, and a command would disturb.
async fn last_word(pods: &Api<Pod>, name: &str) -> LoadReport {
    let container = LogParams { container: Some(CONTAINER.to_owned()), ..LogParams::default() };
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        let log = pods.logs(name, &container).await.unwrap_or_default();
        if let Some(report) = LoadReport::find_in(&log) {
            return report;
        }
    }
}

/// Median and maximum.
fn summary(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() - 1])
}

/// What the operators say about the admissions so far.
fn admissions(stage: &Stage) {
    for operator in stage.pods(SYSTEM, OPERATOR) {
        let metrics = stage.cluster.ask(SYSTEM, &operator, "8080/metrics").unwrap();
        let value = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
            line.unwrap_or_else(|| panic!("no {name} in: {metrics}"))
        };
        let count = value("evenkeel_admission_duration_seconds_count");
        let within = |bound: &str| value(&format!("evenkeel_admission_duration_seconds_bucket{{le=\"{bound}\"}}"));
        let mean_ms = 1e3 * value("evenkeel_admission_duration_seconds_sum") / count.max(1.0);
        let of = |bound| format!("{} within {} ms", within(bound), 1e3 * bound.parse::<f64>().unwrap());
        eprintln!("{operator}: {count} admissions, mean {mean_ms:.2} ms, {}, {}", of("0.001"), of("0.005"));
        assert!(within("0.02") >= 0.99 * count, "an admission takes less than 20 ms: {metrics}");
    }
}
