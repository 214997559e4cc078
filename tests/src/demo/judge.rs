//! What counts as a failure of the demo: a share that is off, a request to a weight of 0, a request that failed.

use evenkeel_tests::load::Counts;

/// A share may be off by so many points of a hundred.
const TOLERANCE: f64 = 5.0;

/// What a backend should get, and what it got.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) backend: String,
    pub(crate) weight: u32,
    pub(crate) answers: u64,
}

/// A number as a percentage of a whole; 0 of nothing.
#[allow(clippy::cast_precision_loss, reason = "counts of a demo stay far below 2^52")]
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// Everything that is not as promised, of so many requests that were to be sent.
pub(crate) fn problems(parts: &[Part], counts: &Counts, requests: u64) -> Vec<String> {
    let weights = parts.iter().map(|part| u64::from(part.weight)).sum();
    let answers = parts.iter().map(|part| part.answers).sum();
    let shares = parts.iter().filter_map(|part| problem(part, weights, answers));
    shares.chain(missing(counts, requests)).collect()
}

fn problem(part: &Part, weights: u64, answers: u64) -> Option<String> {
    let Part { backend, weight, answers: got } = part;
    let (wanted, share) = (percent(u64::from(*weight), weights), percent(*got, answers));
    if *weight == 0 && *got > 0 {
        Some(format!("{backend} has the weight 0 and got {got} requests"))
    } else if (share - wanted).abs() > TOLERANCE {
        Some(format!("{backend} got {share:.1} % instead of {wanted:.1} %, more than {TOLERANCE} points off"))
    } else {
        None
    }
}

fn missing(counts: &Counts, requests: u64) -> Option<String> {
    let Counts { ok, failed, failures, .. } = counts;
    let kinds: Vec<_> = failures.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    match (failed, ok) {
        (1.., _) => Some(format!("{failed} requests failed: {}", kinds.join(", "))),
        (0, ok) if *ok != requests => Some(format!("{ok} answers to {requests} requests")),
        (0, _) => None,
    }
}

/// What a refusal lacks: it names file, line and field, and what to do.
pub(crate) fn refusal_problem(refusal: &str, file: &str, line: usize, field: &str) -> Option<String> {
    let place = format!("{file}:{line}: {field}: ");
    match refusal.strip_prefix(&place) {
        Some(fix) if fix.contains(' ') => None,
        _ => Some(format!("the refusal does not begin with `{place}` and a fix: {refusal}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with 1,000 requests at 70/30/0 that went so.
    fn judge(answers: [u64; 3], failed: u64) -> Vec<String> {
        let backends = [("stable", 70), ("canary", 30), ("next", 0)];
        let part = |((name, weight), answers): ((&str, u32), u64)| Part { backend: name.to_owned(), weight, answers };
        let parts: Vec<_> = backends.into_iter().zip(answers).map(part).collect();
        let ok = answers.iter().sum();
        let failures = [("reset".to_owned(), failed)].into_iter().filter(|(_, count)| *count > 0).collect();
        problems(&parts, &Counts { total: ok + failed, ok, failed, failures, ..Counts::default() }, 1_000)
    }

    #[test]
    fn shares_within_five_points_are_good() {
        assert_eq!(judge([700, 300, 0], 0), [""; 0]);
        assert_eq!(judge([750, 250, 0], 0), [""; 0]);
        assert_eq!(judge([650, 350, 0], 0), [""; 0]);
    }

    #[test]
    fn a_share_that_is_off_by_more_is_told() {
        let found = judge([751, 249, 0], 0);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("stable got 75.1 % instead of 70.0 %"), "{found:?}");
    }

    #[test]
    fn one_request_to_the_weight_0_is_told() {
        assert_eq!(judge([700, 299, 1], 0), ["next has the weight 0 and got 1 requests"]);
    }

    #[test]
    fn one_failed_or_missing_request_is_told() {
        assert_eq!(judge([700, 299, 0], 1), ["1 requests failed: 1 reset"]);
        assert_eq!(judge([700, 299, 0], 0), ["999 answers to 1000 requests"]);
        assert!(!judge([0, 0, 0], 0).is_empty());
    }

    #[test]
    fn a_refusal_names_file_line_field_and_fix() {
        let problem = |text| refusal_problem(text, "pool.yaml", 16, "spec.x");
        assert_eq!(problem("pool.yaml:16: spec.x: choose another one"), None);
        for bad in ["", "pool.yaml:16: spec.x: ", "pool.yaml: spec.x: choose one", "pool.yaml:1: spec.x: choose one"] {
            assert!(problem(bad).is_some(), "{bad}");
        }
    }
}
