//! Results of one benchmark: figures by metric and subject, aims, notes. Published as table, JSON and SVG.
//!
//! A figure consists of all its samples; reports show the median with the minimum and the maximum.

mod chart;
mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::host_info::Facts;
use crate::samples::{max, median, min};

/// Samples of one subject in one metric.
#[derive(Debug)]
struct Figure {
    metric: String,
    subject: String,
    samples: Vec<f64>,
}

/// Side of the limit on which a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    AtMost,
    AtLeast,
}

/// Target value of a comparison, and the value that was measured.
#[derive(Debug)]
pub(crate) struct Aim {
    /// Compared quantities and their unit.
    pub(crate) text: String,
    pub(crate) bound: Bound,
    pub(crate) limit: f64,
    pub(crate) value: f64,
}

impl Aim {
    pub(crate) fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtMost => self.value <= self.limit,
            Bound::AtLeast => self.value >= self.limit,
        }
    }
}

/// Results of one benchmark. Metrics and subjects are shown in the order of their first sample.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    figures: Vec<Figure>,
    pub(crate) aims: Vec<Aim>,
    notes: Vec<String>,
}

impl Report {
    pub(crate) fn new(name: &'static str, title: &'static str) -> Self {
        Self { name, title, figures: Vec::new(), aims: Vec::new(), notes: Vec::new() }
    }

    /// Adds one sample. The name of a metric contains its unit.
    pub(crate) fn add(&mut self, metric: &str, subject: &str, sample: f64) {
        let found = self.figures.iter_mut().find(|f| f.metric == metric && f.subject == subject);
        match found {
            Some(figure) => figure.samples.push(sample),
            None => self.figures.push(Figure {
                metric: metric.to_owned(),
                subject: subject.to_owned(),
                samples: vec![sample],
            }),
        }
    }

    /// Adds the lines that an example printed, with `metric`, `subject` and `value`.
    pub(crate) fn add_lines(&mut self, lines: &[Value]) -> Result<()> {
        for line in lines {
            let text = |name: &str| line.get(name).and_then(Value::as_str);
            let sample = text("metric").zip(text("subject")).zip(line["value"].as_f64());
            let ((metric, subject), value) =
                sample.with_context(|| format!("unexpected line, expected numbers: {line}"))?;
            self.add(metric, subject, value);
        }
        Ok(())
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub(crate) fn samples(&self, metric: &str, subject: &str) -> &[f64] {
        let found = self.figures.iter().find(|f| f.metric == metric && f.subject == subject);
        found.map_or(&[], |figure| &figure.samples)
    }

    pub(crate) fn median(&self, metric: &str, subject: &str) -> f64 {
        median(self.samples(metric, subject))
    }

    /// Returns the median of the per-round ratios of two subjects: a disturbance of one round affects both
    /// subjects.
    pub(crate) fn ratio(&self, metric: &str, subject: &str, to: &str) -> f64 {
        let pairs = self.samples(metric, subject).iter().zip(self.samples(metric, to));
        let ratios: Vec<f64> = pairs.map(|(value, base)| value / base.max(1e-9)).collect();
        median(&ratios)
    }

    pub(crate) fn aim(&mut self, text: impl Into<String>, bound: Bound, limit: f64, value: f64) {
        self.aims.push(Aim { text: text.into(), bound, limit, value });
    }

    /// Prints the report, and writes it into `folder`.
    pub(crate) fn publish(&self, folder: &Path, facts: &Facts) -> Result<()> {
        println!("\n{}\n\n{}", self.title, table::figures(self));
        print!("{}", table::aims(&self.aims));
        for note in &self.notes {
            println!("note: {note}");
        }
        fs::create_dir_all(folder)?;
        let json = serde_json::to_string_pretty(&self.document(facts))?;
        fs::write(folder.join(format!("{}.json", self.name)), json + "\n")?;
        fs::write(folder.join(format!("{}.svg", self.name)), chart::draw(self, facts))?;
        Ok(())
    }

    fn document(&self, facts: &Facts) -> Value {
        let figures = self.figures.iter().map(|Figure { metric, subject, samples }| {
            json!({
                "metric": metric, "subject": subject, "median": median(samples),
                "min": min(samples), "max": max(samples), "samples": samples,
            })
        });
        let aims = self.aims.iter().map(|aim| {
            let Aim { text, limit, value, .. } = aim;
            json!({ "aim": text, "limit": limit, "value": value, "is_met": aim.is_met() })
        });
        json!({
            "name": self.name, "title": self.title, "machine": facts,
            "figures": figures.collect::<Vec<_>>(), "aims": aims.collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }

    /// Returns the distinct metrics.
    fn metrics(&self) -> Vec<&str> {
        distinct(self.figures.iter().map(|figure| figure.metric.as_str()))
    }

    /// Returns the distinct subjects.
    fn subjects(&self) -> Vec<&str> {
        distinct(self.figures.iter().map(|figure| figure.subject.as_str()))
    }
}

/// Returns the table of aims.
pub(crate) fn summary<'a>(aims: impl IntoIterator<Item = &'a Aim>) -> String {
    table::aims(aims)
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

/// Formats a number with three significant digits and separated thousands.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if fraction.is_empty() { grouped } else { format!("{grouped}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        let cases = [
            (0.0, "0"),
            (0.1234, "0.123"),
            (1.5, "1.50"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1234.0, "1,234"),
            (1_234_567.0, "1,234,567"),
            (-123.0, "-123"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let mut report = Report::new("test", "");
        for (slow, fast) in [(2.0, 1.0), (30.0, 10.0), (4.0, 2.0)] {
            report.add("time, s", "slow", slow);
            report.add("time, s", "fast", fast);
        }
        assert_eq!(report.ratio("time, s", "slow", "fast"), 2.0);
        assert_eq!(report.median("time, s", "slow"), 4.0);
        assert_eq!(report.ratio("time, s", "nobody", "fast"), 0.0);
    }

    #[test]
    fn lines_of_examples_become_figures() {
        let mut report = Report::new("test", "");
        let line = json!({ "metric": "m", "subject": "s", "value": 2 });
        report.add_lines(&[line]).unwrap();
        assert_eq!(report.samples("m", "s"), [2.0]);
        assert!(report.add_lines(&[json!({ "metric": "m" })]).is_err());
    }
}
