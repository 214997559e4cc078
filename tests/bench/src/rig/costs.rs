//! What a process and all below it cost: CPU time and memory, as Linux counts them.

use std::fs;
use std::time::Duration;

/// The process and all below it.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(&process) = found.get(at) {
        for task in names(&format!("/proc/{process}/task")) {
            let children = fs::read_to_string(format!("/proc/{process}/task/{task}/children"));
            found.extend(children.unwrap_or_default().split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        at += 1;
    }
    found
}

/// Run time of all threads so far, exact to the nanosecond: user, system, and the receive work that their sends cause on loopback.
pub(crate) fn cpu(root: u32) -> Duration {
    let of_task = |process: u32, task: &str| {
        let text = fs::read_to_string(format!("/proc/{process}/task/{task}/schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|nanos| nanos.parse().ok()).map_or(Duration::ZERO, Duration::from_nanos)
    };
    let tasks = |process| names(&format!("/proc/{process}/task")).into_iter().map(move |task| of_task(process, &task));
    tree(root).into_iter().flat_map(tasks).sum()
}

/// RSS in kB.
pub(crate) fn memory_kb(root: u32) -> u64 {
    tree(root).into_iter().map(evenkeel_tests::memory::rss_kb).sum()
}

fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}
