//! How many worker threads: the CPU limit rounded up, else the CPU request, else one a core and at most four.

use std::fs;

/// Where nothing limits the process: more threads rarely help one proxy, and cost memory in every one.
const MOST_BY_DEFAULT: usize = 4;

/// The number of workers by default. `request_millis` is the container's CPU request (downward API), in thousandths.
#[must_use]
pub(crate) fn by_default(request_millis: Option<u64>) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let cores =
        allowed_cores(&status).or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    choose(limit_millis(), request_millis, cores)
}

fn choose(limit_millis: Option<u64>, request_millis: Option<u64>, cores: usize) -> usize {
    let whole = |millis: u64| usize::try_from(millis.div_ceil(1000)).unwrap_or(cores);
    let threads = limit_millis.or(request_millis.filter(|millis| *millis > 0)).map_or(MOST_BY_DEFAULT, whole);
    threads.clamp(1, cores)
}

/// The cores that this process may run on. The standard library would count a CPU limit in, and round it down.
fn allowed_cores(status: &str) -> Option<usize> {
    let mask = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed:"))?;
    let ones = mask.trim().split(',').map(|word| u64::from_str_radix(word, 16).map(u64::count_ones));
    let cores = ones.sum::<Result<u32, _>>().ok().filter(|cores| *cores > 0)?;
    usize::try_from(cores).ok()
}

/// The CPU limit of this process's control group, in thousandths of a core: version 2, else version 1.
fn limit_millis() -> Option<u64> {
    let v2 = || parse_max(&fs::read_to_string("/sys/fs/cgroup/cpu.max").ok()?);
    let v1 = || {
        let read = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/cpu/{name}")).ok();
        parse_max(&format!("{} {}", read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim()))
    };
    v2().or_else(v1)
}

/// `QUOTA PERIOD`, where QUOTA is `max` or -1 without a limit.
fn parse_max(text: &str) -> Option<u64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota * 1000).checked_div(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_comes_before_request_before_cores() {
        assert_eq!(choose(Some(1500), Some(100), 8), 2);
        assert_eq!(choose(Some(100), Some(3000), 8), 1);
        assert_eq!(choose(None, Some(2500), 8), 3);
        assert_eq!(choose(None, Some(0), 8), 4);
        assert_eq!(choose(None, None, 2), 2);
        assert_eq!(choose(Some(64_000), None, 2), 2);
    }

    #[test]
    fn cores_are_counted_whatever_the_limit() {
        assert_eq!(allowed_cores("Name:\tx\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n"), Some(2));
        assert_eq!(allowed_cores("Cpus_allowed:\tff,ffffffff\n"), Some(40));
        assert_eq!(allowed_cores("Cpus_allowed:\t\n"), None);
        assert_eq!(allowed_cores(""), None);
        assert!(by_default(None) >= 1);
    }

    #[test]
    fn limits_of_both_versions_are_read() {
        assert_eq!(parse_max("150000 100000\n"), Some(1500));
        assert_eq!(parse_max("max 100000\n"), None);
        assert_eq!(parse_max("-1 100000"), None);
        assert_eq!(parse_max(""), None);
        assert_eq!(parse_max("1 0"), None);
    }
}
