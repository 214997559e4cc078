//! What a program tells at `/metrics`, as tests read it.

use std::{iter::Sum, str::FromStr};

/// The sum of a metric's samples whose labels contain all of these; 0 without any.
///
/// # Panics
/// If one of them is no such number.
#[must_use]
pub fn sum<N: FromStr + Sum>(metrics: &str, name: &str, labels: &[&str]) -> N {
    let samples = metrics.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    let ours = samples.filter(|line| labels.iter().all(|label| line.contains(label)));
    ours.map(|line| line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect(line)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_of_one_metric_are_added_up() {
        let text =
            "# HELP a_total Words.\na_total{x=\"1\",y=\"2\"} 3\na_total{x=\"2\",y=\"2\"} 4\na_total_more 9\nb 0.5\n";
        assert_eq!(sum::<u64>(text, "a_total", &[]), 7);
        assert_eq!(sum::<u64>(text, "a_total", &[r#"x="1""#, r#"y="2""#]), 3);
        assert_eq!((sum::<u64>(text, "c", &[]), sum::<f64>(text, "b", &[])), (0, 0.5));
    }
}
