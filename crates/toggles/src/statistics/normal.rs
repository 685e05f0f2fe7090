//! The normal distribution.

use super::gamma;

/// The chance that a standard normal variable lies further from zero than `z`, on either side.
///
/// As Q(1/2, z²/2), so that small chances keep their digits.
pub(super) fn two_sided(z: f64) -> f64 {
    gamma::upper(0.5, z * z / 2.0)
}

/// The distribution function.
pub(super) fn cdf(z: f64) -> f64 {
    let tail = two_sided(z) / 2.0;
    if z > 0.0 { 1.0 - tail } else { tail }
}

/// The inverse of the distribution function, to about 16 digits: negative infinity at 0, infinity at 1, not a number outside.
///
/// M. J. Wichura, *Algorithm AS 241: The percentage points of the normal distribution*, Applied Statistics 37 (1988), 477–484
/// (its routine PPND16).
pub(super) fn quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * polynomial(&CENTRE_ABOVE, r) / polynomial(&CENTRE_BELOW, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail <= 0.0 {
        return f64::INFINITY.copysign(q);
    }
    let r = (-tail.ln()).sqrt();
    let size = if r <= 5.0 {
        polynomial(&NEAR_ABOVE, r - 1.6) / polynomial(&NEAR_BELOW, r - 1.6)
    } else {
        polynomial(&FAR_ABOVE, r - 5.0) / polynomial(&FAR_BELOW, r - 5.0)
    };
    size.copysign(q)
}

fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

// Lowest power first.
const CENTRE_ABOVE: [f64; 8] = [
    3.387_132_872_796_366_5,
    133.141_667_891_784_38,
    1_971.590_950_306_551_3,
    13_731.693_765_509_46,
    45_921.953_931_549_87,
    67_265.770_927_008_7,
    33_430.575_583_588_13,
    2_509.080_928_730_122_7,
];
const CENTRE_BELOW: [f64; 8] = [
    1.0,
    42.313_330_701_600_91,
    687.187_007_492_057_9,
    5_394.196_021_424_751,
    21_213.794_301_586_597,
    39_307.895_800_092_71,
    28_729.085_735_721_943,
    5_226.495_278_852_854,
];
const NEAR_ABOVE: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    0.241_780_725_177_450_6,
    0.022_723_844_989_269_184,
    7.745_450_142_783_414e-4,
];
const NEAR_BELOW: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    0.689_767_334_985_1,
    0.148_103_976_427_480_08,
    0.015_198_666_563_616_457,
    5.475_938_084_995_345e-4,
    1.050_750_071_644_416_9e-9,
];
const FAR_ABOVE: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    0.296_560_571_828_504_87,
    0.026_532_189_526_576_124,
    1.242_660_947_388_078_4e-3,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
const FAR_BELOW: [f64; 8] = [
    1.0,
    0.599_832_206_555_888,
    0.136_929_880_922_735_8,
    0.014_875_361_290_850_615,
    7.868_691_311_456_133e-4,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_8e-15,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_quantile_inverts_the_distribution(z in -8.0..0.0_f64) {
            let back = quantile(cdf(z));
            prop_assert!((back - z).abs() < 1e-11, "{z} came back as {back}");
        }

        #[test]
        fn the_two_sides_mirror_each_other(z in 0.0..6.0_f64) {
            prop_assert!((cdf(z) + cdf(-z) - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn edges_are_infinite_and_the_outside_is_not_a_number() {
        assert_eq!(quantile(0.0).to_bits(), f64::NEG_INFINITY.to_bits());
        assert_eq!(quantile(1.0).to_bits(), f64::INFINITY.to_bits());
        assert!(quantile(-0.1).is_nan() && quantile(1.1).is_nan() && quantile(f64::NAN).is_nan());
        assert!((two_sided(0.0) - 1.0).abs() < f64::EPSILON);
    }
}
