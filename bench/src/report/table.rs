//! Markdown tables: the figures, and the aims.

use super::{Aim, Bound, Report, number};
use crate::samples::{max, median, min};

/// Returns a row for each subject and a column for each metric: the median, with minimum and maximum in
/// parentheses.
pub(super) fn figures(report: &Report) -> String {
    let metrics = report.metrics();
    let mut rows = vec![vec![String::new()]];
    rows.extend(rows_of(report, &metrics));
    if let Some(head) = rows.first_mut() {
        head.extend(metrics.iter().map(|&metric| metric.to_owned()));
    }
    render(&rows)
}

fn rows_of(report: &Report, metrics: &[&str]) -> Vec<Vec<String>> {
    let cell = |metric: &str, subject: &str| {
        let samples = report.samples(metric, subject);
        match samples.len() {
            0 => String::new(),
            1 => number(median(samples)),
            _ => {
                let (low, high) = (number(min(samples)), number(max(samples)));
                format!("{} ({low}–{high})", number(median(samples)))
            }
        }
    };
    let row = |subject: &str| {
        let mut row = vec![subject.to_owned()];
        row.extend(metrics.iter().map(|metric| cell(metric, subject)));
        row
    };
    report.subjects().into_iter().map(row).collect()
}

/// Returns a row for each aim.
pub(super) fn aims<'a>(aims: impl IntoIterator<Item = &'a Aim>) -> String {
    let row = |aim: &Aim| {
        let sign = if aim.bound == Bound::AtMost { "≤" } else { "≥" };
        let verdict = if aim.is_met() { "met" } else { "MISSED" };
        let share = aim.value / aim.limit;
        vec![
            aim.text.clone(),
            number(aim.value),
            format!("{sign} {}", number(aim.limit)),
            format!("{share:.2}"),
            verdict.to_owned(),
        ]
    };
    let mut rows: Vec<_> = aims.into_iter().map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    rows.insert(
        0,
        ["target", "measured", "required", "measured / required", ""].map(String::from).to_vec(),
    );
    render(&rows)
}

/// Renders a table with columns as wide as their widest cell.
fn render(rows: &[Vec<String>]) -> String {
    let column_count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..column_count).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (cell, &width) in row.iter().zip(&widths) {
            text.push_str(&format!("| {cell:width$} "));
        }
        text.push_str("|\n");
        if index == 0 {
            for width in &widths {
                text.push_str(&format!("|{}", "-".repeat(width + 2)));
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_subject() {
        let mut report = Report::new("test", "");
        report.add("rate, 1/s", "b", 1.0);
        report.add("rate, 1/s", "b", 3.0);
        report.add("time, s", "a", 1000.0);
        let table = figures(&report);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0], "|   | rate, 1/s        | time, s |");
        assert_eq!(lines[2], "| b | 2.00 (1.00–3.00) |         |");
        assert_eq!(lines[3], "| a |                  | 1,000   |");
    }

    #[test]
    fn an_aim_is_met_or_missed() {
        let aim = |bound, value| Aim { text: "x".into(), bound, limit: 2.0, value };
        assert!(aims(&[aim(Bound::AtMost, 2.0)]).contains("met"));
        assert!(aims(&[aim(Bound::AtMost, 3.0)]).contains("MISSED"));
        assert!(aims(&[aim(Bound::AtLeast, 1.0)]).contains("MISSED"));
        assert_eq!(aims(&[]), "");
    }
}
