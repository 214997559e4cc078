//! The memory of a process while it works: read now and then, and judged at the end.

use std::fs;

/// RSS in kB; 0 of a process that is gone. The kernel's socket buffers are not in it.
#[must_use]
pub fn rss_kb(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// The most RSS that a process has ever had, in kB; 0 of one that is gone.
#[must_use]
pub fn peak_kb(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// RSS in the course of some work.
#[derive(Clone, Debug, Default)]
pub struct Course(Vec<(u64, u64)>);

impl Course {
    /// Notes how much was done and what the process has then.
    pub fn note(&mut self, done: u64, kb: u64) {
        self.0.push((done, kb));
    }

    /// The mean of each fifth of the work. None if one of them was never looked at.
    #[must_use]
    pub fn fifths(&self) -> Option<[u64; 5]> {
        let all = self.0.last()?.0.max(1);
        let mut sums = [(0, 0); 5];
        for (done, kb) in &self.0 {
            let fifth = usize::try_from(done.saturating_sub(1) * 5 / all).ok()?.min(4);
            sums[fifth] = (sums[fifth].0 + kb, sums[fifth].1 + 1_u64);
        }
        sums.iter().all(|(_, count)| *count > 0).then(|| sums.map(|(sum, count)| sum / count))
    }

    /// The most that it ever had.
    #[must_use]
    pub fn peak_kb(&self) -> u64 {
        self.0.iter().map(|(_, kb)| *kb).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_is_one_of_the_work_not_of_the_time() {
        let mut course = Course::default();
        for (done, kb) in [(1, 10), (2, 30), (3, 40), (5, 40), (8, 50), (10, 70), (10, 90)] {
            course.note(done, kb);
        }
        assert_eq!(course.fifths(), Some([20, 40, 40, 50, 80]));
        assert_eq!(course.peak_kb(), 90);
    }

    #[test]
    fn our_own_memory_is_not_nothing() {
        assert!(rss_kb(std::process::id()) > 500);
        assert!(peak_kb(std::process::id()) > 500);
        assert_eq!((rss_kb(u32::MAX), peak_kb(u32::MAX)), (0, 0));
    }
}
