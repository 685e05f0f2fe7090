//! Several comparisons at once.

/// P-values adjusted so that the chance of any false alarm among all of them stays below the level: S. Holm, *A simple
/// sequentially rejective multiple test procedure*, Scandinavian Journal of Statistics 6 (1979), 65–70.
///
/// In the order given; at most 1. A value that is not a number stays so and does not count as a comparison.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).filter(|&index| !p_values[index].is_nan()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![f64::NAN; p_values.len()];
    let mut largest = 0.0_f64;
    let mut factor = super::count::real(order.len() as u64);
    for index in order {
        largest = largest.max(factor * p_values[index]).min(1.0);
        adjusted[index] = largest;
        factor -= 1.0;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_single_comparison_stays_as_it_is() {
        assert_eq!(holm(&[0.03]), [0.03]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn what_is_not_a_number_does_not_count() {
        let adjusted = holm(&[0.03, f64::NAN, 0.01]);
        assert!(adjusted[1].is_nan());
        assert!((adjusted[2] - 0.02).abs() < 1e-15 && (adjusted[0] - 0.03).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn adjusting_only_raises_and_keeps_the_order(p_values in prop::collection::vec(0.0..=1.0_f64, 0..8)) {
            let adjusted = holm(&p_values);
            for (index, (&before, &after)) in p_values.iter().zip(&adjusted).enumerate() {
                prop_assert!(before <= after && after <= 1.0);
                for (&other, &raised) in p_values.iter().zip(&adjusted).skip(index + 1) {
                    prop_assert!(before > other || after <= raised);
                }
            }
        }
    }
}
