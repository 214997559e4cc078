//! Bounded load for consistent hashing (Mirrokni, Thorup, Zadimoghaddam 2016), in HAProxy's integers (`hash-balance-factor`,
//! `src/lb_chash.c`): no server may hold more than its share of all requests under way, times a factor.

/// How many requests a server may hold: `served` are under way at all eligible servers, whose weights sum up to `total`; `before` is
/// the sum of those that stand before this one. At least 1. `percent` is above 100.
#[must_use]
pub fn slots(served: u64, percent: u32, weight: u32, before: u64, total: u64) -> u64 {
    let allowed = ((u128::from(served) + 1) * u128::from(percent)).div_ceil(100);
    let (weight, before, total) = (u128::from(weight), u128::from(before), u128::from(total.max(1)));
    let (whole, rest) = (allowed / total, allowed % total);
    let share = weight * whole + (before + weight) * rest / total - before * rest / total;
    u64::try_from(share.max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_equal_servers_share_a_fourth_more_than_there_is() {
        let both = |served| [slots(served, 125, 1, 0, 2), slots(served, 125, 1, 1, 2)];
        assert_eq!((0..=6).map(both).collect::<Vec<_>>(), [[1, 1], [1, 2], [2, 2], [2, 3], [3, 4], [4, 4], [4, 5]]);
    }

    proptest::proptest! {
        #[test]
        fn there_is_always_room_for_one_more_and_never_more_than_the_factor_allows(
            weights in proptest::collection::vec(1_u32..1_000_000, 1..20),
            served in 0_u64..1_000_000,
            percent in 101_u32..=1000,
        ) {
            let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
            let (mut before, mut all) = (0, 0);
            for weight in weights {
                let mine = slots(served, percent, weight, before, total);
                let bound = (u128::from(served + 1) * u128::from(percent) * u128::from(weight)).div_ceil(u128::from(total) * 100);
                proptest::prop_assert!(u128::from(mine) <= bound.max(1) + 1, "{mine} of {bound}");
                (before, all) = (before + u64::from(weight), all + mine);
            }
            proptest::prop_assert!(all > served);
        }
    }
}
