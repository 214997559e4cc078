//! What Linux says of this process, under the names that the client libraries of Prometheus use: dashboards and alerts know
//! them.

use std::{
    fs,
    sync::atomic::AtomicU64,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::{Registry, Unit},
};
use rustix::{
    io::Errno,
    process::{Resource, getrlimit},
};

use super::gauge;

/// In `/proc` a second has so many ticks, on every architecture that we run on.
const TICKS: u64 = 100;

/// Registers what can be read; `since`: when the process began.
pub(super) fn register(to: &mut Registry, since: SystemTime) {
    let most = getrlimit(Resource::Nofile).current;
    if let Some(most) = most {
        to.register("max_fds", "Descriptors that the process may have", gauge(most));
    }
    // Where none is left to look with, that says how many there are.
    let open = open_descriptors().or_else(|errno| most.filter(|_| errno == Errno::MFILE).ok_or(errno));
    if let Ok(open) = open {
        to.register("open_fds", "Descriptors that the process has", gauge(open));
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(bytes) = resident_bytes(&status) {
        to.register_with_unit("resident_memory", "Memory in use", Unit::Bytes, gauge(bytes));
    }
    let times = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    if let Some(used) = cpu(&times) {
        let seconds = Counter::<f64, AtomicU64>::default();
        seconds.inc_by(used.as_secs_f64());
        to.register_with_unit("cpu", "Processor time of all threads", Unit::Seconds, seconds);
    }
    let start = Gauge::<f64, AtomicU64>::default();
    start.set(since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
    to.register_with_unit("start_time", "When the process began, since 1970", Unit::Seconds, start);
}

/// Without the one that it takes to look.
fn open_descriptors() -> Result<u64, Errno> {
    let entries = fs::read_dir("/proc/self/fd").map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok((entries.count() as u64).saturating_sub(1))
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The program's own time and the system's for it. Its name may have spaces and brackets.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * (1000 / TICKS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_read() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    1024 kB\nVmSwap:\t 0 kB\n"), Some(1 << 20));
        assert_eq!(resident_bytes(""), None);
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 12345 1 2\n";
        assert_eq!(cpu(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu(""), None);
    }

    #[test]
    fn all_descriptors_are_counted() {
        let more = [(); 40].map(|()| fs::File::open("/proc/self/stat").expect("Linux"));
        let open = open_descriptors().expect("Linux");
        assert!(open >= more.len() as u64, "{open}");
    }
}
