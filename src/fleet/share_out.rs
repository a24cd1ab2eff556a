//! How many devices each share of a fleet is: whole devices, and as many in all as the shares say.

use crate::model::Share;

/// The devices of each share of `whole`, by the largest remainders: what rounding down leaves goes to those who lost
/// most, and among equals to the first.
pub(super) fn share_out(whole: u64, shares: &[Share]) -> Vec<u64> {
    let all = u128::from(Share::ALL.ppm());
    let exact = |share: &Share| u128::from(whole) * u128::from(share.ppm());
    let total = shares.iter().map(exact).sum::<u128>() / all;
    let mut counts: Vec<u128> = shares.iter().map(|share| exact(share) / all).collect();
    let left = total - counts.iter().sum::<u128>();
    let mut losers: Vec<usize> = (0..shares.len()).collect();
    losers.sort_by_key(|&at| std::cmp::Reverse(exact(&shares[at]) % all));
    losers.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)).for_each(|at| counts[at] += 1);
    counts.into_iter().map(|count| u64::try_from(count).unwrap_or(u64::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares(texts: &[&str]) -> Vec<Share> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_rounding_leaves_goes_to_the_largest_remainders() {
        assert_eq!(share_out(1_000, &shares(&["80%", "20%"])), [800, 200]);
        assert_eq!(share_out(10, &shares(&["33.3333%", "33.3333%", "33.3334%"])), [3, 3, 4]);
        assert_eq!(share_out(3, &shares(&["50%", "50%"])), [2, 1]);
        assert_eq!(share_out(7, &shares(&["10%", "45%", "45%"])), [1, 3, 3]);
        assert_eq!(share_out(0, &shares(&["50%"])), [0]);
        assert_eq!(share_out(5, &[]), Vec::<u64>::new());
    }

    proptest! {
        #[test]
        fn nobody_is_a_device_off_and_nothing_is_lost(
            whole in 0_u64..1_000_000,
            parts in proptest::collection::vec(0_u32..200_000, 0..5),
        ) {
            let shares: Vec<Share> = parts.iter().map(|ppm| Share::of_ppm(*ppm).unwrap()).collect();
            let counts = share_out(whole, &shares);
            let exact: Vec<f64> = shares.iter().map(|share| whole as f64 * share.fraction()).collect();
            for (count, exact) in counts.iter().zip(&exact) {
                prop_assert!((*count as f64 - exact).abs() < 1.0 + 1e-6, "{count} of {exact}");
            }
            prop_assert!((counts.iter().sum::<u64>() as f64 - exact.iter().sum::<f64>()).abs() < 1.0 + 1e-6);
        }
    }
}
