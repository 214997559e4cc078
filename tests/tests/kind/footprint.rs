//! What Evenkeel takes when nothing happens: printed for the record, with generous bounds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::cluster::eventually;
use crate::load::{Load, assert_lossless};
use crate::stage::{Stage, play};

/// Long enough that one tick of the kernel's clock is a thousandth of the result.
const WINDOW: Duration = Duration::from_secs(10);
/// Linux counts CPU time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;
/// For each process of ours on a node: its id, what it is, memory and the line that has its CPU time.
const LOOK: &str = r#"for p in /proc/[0-9]*; do read -r c <$p/comm || continue
  case $c in evenkeel-o*) c=operator;; evenkeel-p*) c=proxy; grep -qa -e --sidecar $p/cmdline && c=sidecar;; *) continue;; esac
  echo "${p#/proc/} $c $(grep -h -e VmRSS -e RssAnon $p/status | tr -s '\n\t ' ' ') $(cut -d')' -f2 $p/stat)"; done 2>/dev/null"#;
/// A busy application, on kept connections as most have them.
const BUSY: &str = "--rate 1000 --concurrency 16";

#[derive(Debug)]
struct Process {
    name: String,
    resident_kb: u64,
    anonymous_kb: u64,
    cpu_ticks: u64,
}

#[test]
fn an_installation_is_small() {
    play("memory, CPU and images", |stage| {
        images(stage);
        let idle = Load::beside(stage, "load-idle", "--rate 0.01");
        await_all(stage);
        measure(stage, "when idle", 20.0);
        assert_lossless(&idle.finish());
        let busy = Load::beside(stage, "load-busy", BUSY).running();
        await_all(stage);
        measure(stage, "while the sidecar has 1,000 requests a second", 100.0);
        assert_lossless(&busy.finish());
    });
}

fn images(stage: &Stage) {
    for image in ["operator", "proxy"] {
        let name = format!("evenkeel/{image}:{}", stage.tag);
        let size =
            stage.cluster.attempt_words(&["docker", "image", "inspect", "--format", "{{.Size}}", &name]).unwrap();
        eprintln!("image {name}: {} kB", size.trim().parse::<u64>().unwrap() / 1_000);
    }
}

/// Waits until the sidecars of earlier tests have ended: two operators, two proxies and one sidecar are left.
fn await_all(stage: &Stage) {
    eventually("five processes", Duration::from_secs(60), || {
        let mut names: Vec<_> = processes(stage).into_values().map(|process| process.name).collect();
        names.sort_unstable();
        (names == ["operator", "operator", "proxy", "proxy", "sidecar"]).then_some(())
    });
}

fn measure(stage: &Stage, when: &str, cpu_bound: f64) {
    let before = processes(stage);
    let began = Instant::now();
    std::thread::sleep(WINDOW); // the window of a measurement, not a wait for something
    let after = processes(stage);
    let seconds = began.elapsed().as_secs_f64();
    for (id, process) in &after {
        let ticks = process.cpu_ticks - before[id].cpu_ticks;
        #[allow(clippy::cast_precision_loss, reason = "a few ticks")]
        let cpu = 100.0 * ticks as f64 / TICKS_PER_SECOND / seconds;
        let Process { name, resident_kb, anonymous_kb, .. } = process;
        eprintln!("{name}: {resident_kb} kB resident, {anonymous_kb} kB of it its own, {cpu:.1} % of a core {when}");
        assert!(*resident_kb < 100_000 && cpu < cpu_bound, "that is no longer small");
    }
}

fn processes(stage: &Stage) -> BTreeMap<String, Process> {
    let mut processes = BTreeMap::new();
    for node in stage.cluster.nodes() {
        let output = stage.cluster.attempt_words(&["docker", "exec", &node, "bash", "-c", LOOK]).unwrap();
        for line in output.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            processes.insert(format!("{node} {}", words[0]), process(&words));
        }
    }
    processes
}

/// `ID NAME VmRSS: N kB RssAnon: N kB` and the fields of `/proc/ID/stat` from the third on.
fn process(words: &[&str]) -> Process {
    let number = |index: usize| words[index].parse::<u64>().unwrap_or_else(|_| panic!("{words:?}"));
    Process {
        name: words[1].to_owned(),
        resident_kb: number(3),
        anonymous_kb: number(6),
        // utime and stime are the fields 14 and 15.
        cpu_ticks: number(8 + 11) + number(8 + 12),
    }
}
