//! What statistical tests compare with: bounds for tails, and the estimator's probabilities by definition.

/// A correct library fails a test with at most this probability, were its seeds drawn anew, shared out over all of its
/// comparisons.
pub const ALPHA: f64 = 1e-6;

/// |z| that a standard normal variable exceeds with a probability of at most `ALPHA / comparisons`.
pub fn bound(comparisons: usize) -> f64 {
    // P(|Z| > z) <= 2 exp(-z^2 / 2).
    (2.0 * (2.0 * comparisons as f64 / ALPHA).ln()).sqrt()
}

/// Bernstein's bound on |sum - mean| of t independent variables of this variance, each within
/// `range` of its mean: exceeded with a probability of at most `ALPHA / comparisons`.
pub fn deviation(comparisons: usize, t: f64, variance: f64, range: f64) -> f64 {
    let log = (2.0 * comparisons as f64 / ALPHA).ln();
    let linear = range * log / 3.0;
    linear + (linear * linear + 2.0 * t * variance * log).sqrt()
}

/// Chi-square of counts that are expected to be equal, and what it exceeds with a probability of at most
/// `ALPHA / comparisons`.
pub fn chi_square(cells: &[u64], comparisons: usize) -> (f64, f64) {
    let expected = cells.iter().sum::<u64>() as f64 / cells.len() as f64;
    let chi = cells.iter().map(|&c| (c as f64 - expected).powi(2) / expected).sum();
    let freedom = (cells.len() - 1) as f64;
    // The tail by Laurent and Massart.
    let log = (comparisons as f64 / ALPHA).ln();
    (chi, freedom + 2.0 * (freedom * log).sqrt() + 2.0 * log)
}

pub fn magnitudes(group: &[f32]) -> Vec<f64> {
    group.iter().map(|&x| f64::from(x).abs()).collect()
}

/// The water level of magnitudes, from its definition: 0 where at most n of them are not zero.
pub fn water_level(magnitudes: &[f64], n: usize) -> f64 {
    let mut a = magnitudes.to_vec();
    a.sort_by(|x, y| y.total_cmp(x));
    if a[n] == 0.0 {
        return 0.0;
    }
    (0..n)
        .map(|k| (a[k], a[k..].iter().sum::<f64>() / (n - k) as f64))
        .find(|(largest, level)| largest <= level)
        .map(|(_, level)| level)
        .expect("more than n non-zeros have a water level")
}

/// The inclusion probabilities of magnitudes, and their water level.
pub fn inclusion(magnitudes: &[f64], n: usize) -> (Vec<f64>, f64) {
    let tau = water_level(magnitudes, n);
    let chance =
        |&x: &f64| if tau > 0.0 { (x / tau).min(1.0) } else { f64::from(u8::from(x > 0.0)) };
    (magnitudes.iter().map(chance).collect(), tau)
}
