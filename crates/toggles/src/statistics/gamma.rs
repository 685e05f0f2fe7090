//! The gamma function's family: what chi-square, normal and t distributions are made of.

/// Enough for the shapes that occur here (half the number of arms); both expansions converge in a few dozen steps.
const MAX_STEPS: u32 = 10_000;
const TINY: f64 = 1e-300;

/// Natural logarithm of the gamma function for `x > 0`, to about 15 digits.
///
/// Lanczos' approximation with g = 7 and nine terms; the coefficients are Godfrey's
/// (P. Godfrey, *A note on the computation of the convergent Lanczos complex gamma approximation*, 2001).
pub(super) fn ln_gamma(x: f64) -> f64 {
    const G: f64 = 7.0;
    const FIRST: f64 = 0.999_999_999_999_809_9;
    const REST: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // Reflection.
        return (std::f64::consts::PI / (std::f64::consts::PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let mut place = x;
    let mut sum = FIRST;
    for coefficient in REST {
        place += 1.0;
        sum += coefficient / place;
    }
    let base = x + G + 0.5;
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * base.ln() - base + sum.ln()
}

/// The regularised upper incomplete gamma function Q(a, x) for `a > 0`, `x >= 0`.
///
/// The series below `a + 1` and the continued fraction (modified Lentz) above it, as in *Numerical Recipes*, 3rd edition, §6.2.
pub(super) fn upper(a: f64, x: f64) -> f64 {
    if x.is_nan() || a.is_nan() {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 1.0;
    }
    if x.is_infinite() {
        return 0.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 { 1.0 - front * series(a, x) } else { front * fraction(a, x) }
}

/// P(a, x) without its front factor.
fn series(a: f64, x: f64) -> f64 {
    let mut term = 1.0 / a;
    let mut sum = term;
    let mut place = a;
    for _ in 0..MAX_STEPS {
        place += 1.0;
        term *= x / place;
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    sum
}

/// Q(a, x) without its front factor.
#[expect(clippy::many_single_char_names, reason = "the names of the book")]
fn fraction(a: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut value = d;
    for step in 1..=MAX_STEPS {
        let step = f64::from(step);
        let numerator = -step * (step - a);
        b += 2.0;
        d = 1.0 / away_from_zero(numerator * d + b);
        c = away_from_zero(b + numerator / c);
        let factor = d * c;
        value *= factor;
        if (factor - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    value
}

pub(super) fn away_from_zero(x: f64) -> f64 {
    if x.abs() < TINY { TINY } else { x }
}

/// The chance that a chi-square variable of `degrees` degrees of freedom exceeds `x`; 1 when there are none.
pub(super) fn chi_square_tail(x: f64, degrees: u32) -> f64 {
    if degrees == 0 { 1.0 } else { upper(f64::from(degrees) / 2.0, x / 2.0) }
}
