//! Statistics: medians and extremes of the few samples of a figure, and percentiles of many latencies.
//!
//! Samples are kept as measured. Latencies are counted in a histogram, whose size does not depend on their number.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Significant decimal digits of a percentile: an error of at most 0.1 %.
const DIGITS: u8 = 3;

/// Returns the median, or 0 without values. For an even number of values it is the mean of the middle two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied().unwrap_or_default();
    if sorted.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|index| sorted.get(index));
    lower.map_or(upper, |lower| f64::midpoint(*lower, upper))
}

/// Returns the smallest value, or 0 without values.
pub(crate) fn min(values: &[f64]) -> f64 {
    values.iter().copied().min_by(f64::total_cmp).unwrap_or_default()
}

/// Returns the largest value, or 0 without values.
pub(crate) fn max(values: &[f64]) -> f64 {
    values.iter().copied().max_by(f64::total_cmp).unwrap_or_default()
}

/// Histogram of latencies, in nanoseconds.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new(DIGITS).expect("the number of digits is valid"))
    }
}

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.0.record(nanos).expect("the histogram grows as needed");
    }

    pub(crate) fn append(&mut self, other: &Self) {
        self.0.add(&other.0).expect("the histogram grows as needed");
    }

    /// Returns the latency in microseconds that `share` of all values do not exceed, or 0 without values.
    pub(crate) fn micros_at(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!((min(&[2.0, 1.0]), max(&[2.0, 1.0])), (1.0, 2.0));
    }

    #[test]
    fn a_percentile_differs_from_a_measured_latency_by_a_thousandth_at_most() {
        let (mut latencies, mut others) = (Latencies::default(), Latencies::default());
        assert_eq!(latencies.micros_at(0.99), 0.0);
        (1..=70).rev().for_each(|micros| latencies.add(Duration::from_micros(micros)));
        (71..=100).for_each(|micros| others.add(Duration::from_micros(micros)));
        latencies.append(&others);
        for (share, micros) in [(0.01, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let found = latencies.micros_at(share);
            assert!((found - micros).abs() <= micros / 1000.0, "{found} at {share}");
        }
    }

    #[test]
    fn a_latency_of_any_length_is_counted() {
        let mut latencies = Latencies::default();
        latencies.add(Duration::ZERO);
        latencies.add(Duration::MAX);
        assert_eq!(latencies.micros_at(0.5), 0.0);
        assert!(latencies.micros_at(1.0) >= u64::MAX as f64 / 1000.0 * 0.999);
    }
}
