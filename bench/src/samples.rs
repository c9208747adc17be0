//! Statistics: medians, extremes, percentiles. Percentiles are those of a sorted list, without interpolation.

use std::time::Duration;

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

/// Durations, sorted on demand for percentiles.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    nanos: Vec<u64>,
    is_sorted: bool,
}

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.nanos.push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        self.is_sorted = false;
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.nanos.append(&mut other.nanos);
        self.is_sorted = false;
    }

    /// Returns the latency in microseconds that `share` of all values do not exceed, or 0 without values.
    pub(crate) fn micros_at(&mut self, share: f64) -> f64 {
        if !self.is_sorted {
            self.nanos.sort_unstable();
            self.is_sorted = true;
        }
        let place = (share * self.nanos.len() as f64).ceil() as usize;
        let nanos = self.nanos.get(place.saturating_sub(1)).copied().unwrap_or_default();
        nanos as f64 / 1000.0
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
    fn a_percentile_is_a_latency_that_was_measured() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.micros_at(0.99), 0.0);
        (1..=100).rev().for_each(|micros| latencies.add(Duration::from_micros(micros)));
        assert_eq!(latencies.micros_at(0.5), 50.0);
        assert_eq!(latencies.micros_at(0.99), 99.0);
        assert_eq!(latencies.micros_at(1.0), 100.0);
    }
}
