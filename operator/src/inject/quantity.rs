//! Quantities as Kubernetes writes them: `100m`, `64Mi`, `1.5`, `1e3`.

/// Suffixes and what they stand for.
const SUFFIXES: [(&str, f64); 16] = [
    ("", 1.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
];

/// The value of a quantity, exactly enough to compare it; none if it is not one. Without a sign: nothing that is asked of a
/// node is negative.
pub(super) fn parse(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let number: f64 = number.parse().ok()?; // refuses what is empty, and a second point
    let factor = match SUFFIXES.iter().find(|(known, _)| *known == suffix) {
        Some((_, factor)) => *factor,
        None => 10_f64.powi(exponent(suffix)?),
    };
    Some(number * factor)
}

/// Of `e3`, `E-2`: beyond 18 digits nothing fits into a quantity.
fn exponent(suffix: &str) -> Option<i32> {
    let digits = suffix.strip_prefix(['e', 'E'])?;
    digits.parse().ok().filter(|exponent: &i32| (-18..=18).contains(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_their_values() {
        for (text, value) in [
            ("1", 1.0),
            ("0", 0.0),
            ("100m", 0.1),
            ("1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("64Mi", 67_108_864.0),
            ("1Gi", 1_073_741_824.0),
            ("1k", 1000.0),
            ("2E", 2e18),
            ("1e3", 1000.0),
            ("1E-2", 0.01),
            ("2e+1", 20.0),
        ] {
            let found = parse(text).unwrap_or_else(|| panic!("{text}"));
            assert!((found - value).abs() <= value * 1e-12, "{text}: {found}");
        }
    }

    #[test]
    fn anything_else_is_no_quantity() {
        for text in ["", ".", "-1", "+1", "1,5", "1 Mi", "1mi", "Mi", "1.2.3", "1e", "1e99", "NaN", "inf", "١", "1KiB"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
