//! Student's t distribution.

use super::gamma::{away_from_zero, ln_gamma};
use super::normal;

/// The continued fraction needs about the square root of the degrees of freedom.
const MAX_STEPS: u32 = 10_000;
/// Beyond this many degrees of freedom the continued fraction loses digits, and the transformed normal distribution has them all.
const MANY: f64 = 1e5;

/// The chance that a t variable of `degrees` degrees of freedom lies further from zero than `t`, on either side.
pub(super) fn two_sided(t: f64, degrees: f64) -> f64 {
    if t.is_nan() || degrees.is_nan() || degrees <= 0.0 {
        return f64::NAN;
    }
    if degrees.is_infinite() {
        return normal::two_sided(t);
    }
    let square = t * t;
    if square.is_infinite() {
        return 0.0;
    }
    if square <= 0.0 {
        return 1.0;
    }
    if degrees > MANY {
        return normal::two_sided(as_normal(square, degrees));
    }
    // I_x(degrees / 2, 1/2) with x = degrees / (degrees + t²); 1 - x is computed by itself, so that no digits cancel.
    let (a, b) = (degrees / 2.0, 0.5);
    let (x, rest) = (degrees / (degrees + square), square / (degrees + square));
    let front = (ln_gamma_step(a) - ln_gamma(b) - a * (square / degrees).ln_1p() + b * rest.ln()).exp();
    if x < (a + 1.0) / (a + b + 2.0) { front * beta_fraction(a, b, x) / a } else { 1.0 - front * beta_fraction(b, a, rest) / b }
}

/// The value that a t variable of `degrees` (at least 1) degrees of freedom exceeds in size with chance `alpha`.
///
/// Newton's method on [`two_sided`], which is convex and falling: from the normal value, which lies below, it only climbs.
pub(super) fn critical(alpha: f64, degrees: f64) -> f64 {
    let mut t = -normal::quantile(alpha / 2.0);
    if !t.is_finite() || degrees.is_infinite() {
        return t;
    }
    let half = f64::midpoint(degrees, 1.0);
    let scale = ln_gamma_step(degrees / 2.0) - 0.5 * (degrees * std::f64::consts::PI).ln();
    for _ in 0..200 {
        let density = (scale - half * (t * t / degrees).ln_1p()).exp();
        let step = (two_sided(t, degrees) - alpha) / (2.0 * density);
        t += step;
        if step.abs() <= t.abs() * 4.0 * f64::EPSILON {
            break;
        }
    }
    t
}

/// The normal variable whose tails are those of t: G. W. Hill, *Algorithm 395: Student's t-distribution*, Communications of the
/// ACM 13 (1970), 617–619.
fn as_normal(square: f64, degrees: f64) -> f64 {
    let a = degrees - 0.5;
    let b = 48.0 * a * a;
    let y = a * (square / degrees).ln_1p();
    let correction = (((-0.4 * y - 3.3) * y - 24.0) * y - 85.5) / (0.8 * y * y + 100.0 + b);
    ((correction + y + 3.0) / b + 1.0) * y.sqrt()
}

/// `ln Γ(a + 1/2) - ln Γ(a)`. The difference of two large logarithms would lose its digits, so from 20 on it is the asymptotic
/// series (*NIST Digital Library of Mathematical Functions*, §5.11).
fn ln_gamma_step(a: f64) -> f64 {
    if a < 20.0 {
        return ln_gamma(a + 0.5) - ln_gamma(a);
    }
    let inverse = 1.0 / a;
    let square = inverse * inverse;
    let series =
        -1.0 / 8.0 + square * (1.0 / 192.0 + square * (-1.0 / 640.0 + square * (17.0 / 14_336.0 - square * 31.0 / 18_432.0)));
    0.5 * a.ln() + inverse * series
}

/// The continued fraction of the incomplete beta function (modified Lentz), *Numerical Recipes*, 3rd edition, §6.4.
#[expect(clippy::many_single_char_names, reason = "the names of the book")]
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for step in 1..=MAX_STEPS {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a - 1.0 + 2.0 * m) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        value *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 1.0 + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        let factor = d * c;
        value *= factor;
        if (factor - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_critical_value_has_the_asked_chance(alpha in 0.001..0.5_f64, degrees in 1.0..1e7_f64) {
            let chance = two_sided(critical(alpha, degrees), degrees);
            prop_assert!((chance - alpha).abs() < 1e-9, "{alpha} came back as {chance}");
        }
    }

    #[test]
    fn with_many_degrees_of_freedom_it_is_the_normal_distribution() {
        for t in [0.3, 1.0, 1.96, 4.0] {
            assert!((two_sided(t, 1e12) - normal::two_sided(t)).abs() < 1e-9);
        }
        assert!((two_sided(1.96, f64::INFINITY) - normal::two_sided(1.96)).abs() < f64::EPSILON);
        assert!(two_sided(f64::NAN, 3.0).is_nan());
    }
}
