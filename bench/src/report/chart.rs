//! Charts: a panel for each metric, a bar for each subject, a whisker from the minimum to the maximum.
//!
//! SVG is text, so no library is needed. Every panel has a separate scale that begins at 0. If the bars differ too
//! much to be compared on it, the scale is logarithmic, and labeled so.

use std::fmt::Write as _;

use super::{Report, number};
use crate::host_info::Facts;
use crate::samples::{max, median, min};

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 20.0;
/// Left edge of the bars, and length of the longest whisker.
const BAR_LEFT: f64 = 190.0;
const BAR_LENGTH: f64 = 440.0;
const ROW: f64 = 24.0;
const BAR: f64 = 14.0;
const PANEL_HEAD: f64 = 30.0;
const PANEL_GAP: f64 = 14.0;
const TITLE: f64 = 58.0;
/// Ratio of largest to smallest value from which the scale is logarithmic.
const LOGARITHMIC_FROM: f64 = 100.0;
/// Colors of the subjects, in turn; they can be distinguished with color blindness.
const COLOURS: [&str; 6] = ["#3b6ea8", "#d08c2f", "#8a8f98", "#5a9a68", "#a8557a", "#6f5fa8"];

/// Returns the whole chart.
pub(super) fn draw(report: &Report, facts: &Facts) -> String {
    let metrics = report.metrics();
    let panels: Vec<String> = metrics.iter().map(|metric| panel(report, metric)).collect();
    let heights = metrics.iter().map(|metric| panel_height(report, metric));
    let height = TITLE + heights.sum::<f64>() + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#222\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    let _ = writeln!(
        svg,
        "<text x=\"{MARGIN}\" y=\"28\" font-size=\"16\" font-weight=\"600\">{}</text>\n\
         <text x=\"{MARGIN}\" y=\"46\" font-size=\"10\" fill=\"#666\">{}</text>",
        escaped(report.title),
        escaped(&facts.describe())
    );
    let mut top = TITLE;
    for (metric, panel) in metrics.iter().zip(panels) {
        let _ = writeln!(svg, "<g transform=\"translate(0 {top})\">\n{panel}</g>");
        top += panel_height(report, metric);
    }
    svg.push_str("</svg>\n");
    svg
}

fn subjects_of<'a>(report: &'a Report, metric: &str) -> Vec<&'a str> {
    let mut subjects = report.subjects();
    subjects.retain(|subject| !report.samples(metric, subject).is_empty());
    subjects
}

fn panel_height(report: &Report, metric: &str) -> f64 {
    PANEL_HEAD + ROW * subjects_of(report, metric).len() as f64 + PANEL_GAP
}

fn panel(report: &Report, metric: &str) -> String {
    let subjects = subjects_of(report, metric);
    let all: Vec<f64> =
        subjects.iter().flat_map(|subject| report.samples(metric, subject)).copied().collect();
    let scale = Scale::of(&all);
    let suffix = if scale.is_logarithmic() { " (logarithmic scale)" } else { "" };
    let mut svg = format!(
        "<text x=\"{MARGIN}\" y=\"20\" font-weight=\"600\">{}{suffix}</text>\n",
        escaped(metric)
    );
    for (index, subject) in subjects.iter().enumerate() {
        let top = PANEL_HEAD + ROW * index as f64;
        let place = report.subjects().iter().position(|known| known == subject);
        let colour = COLOURS.get(place.unwrap_or_default() % COLOURS.len()).copied();
        svg.push_str(&row(report.samples(metric, subject), subject, &scale, top, colour));
    }
    svg
}

fn row(samples: &[f64], subject: &str, scale: &Scale, top: f64, colour: Option<&str>) -> String {
    let (low, middle, high) =
        (scale.place(min(samples)), scale.place(median(samples)), scale.place(max(samples)));
    let (baseline, centre) = (top + 11.0, top + BAR / 2.0);
    let colour = colour.unwrap_or("#3b6ea8");
    let (label_right, value_left) = (BAR_LEFT - 8.0, BAR_LEFT + high.max(middle) + 8.0);
    let mut svg = format!(
        "<text x=\"{label_right}\" y=\"{baseline}\" text-anchor=\"end\">{}</text>\n\
         <rect x=\"{BAR_LEFT}\" y=\"{top}\" width=\"{middle:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
         <text x=\"{value_left:.1}\" y=\"{baseline}\">{}</text>\n",
        escaped(subject),
        number(median(samples))
    );
    if samples.len() > 1 {
        let (left, right) = (BAR_LEFT + low, BAR_LEFT + high);
        let (above, below) = (centre - 4.0, centre + 4.0);
        let _ = writeln!(
            svg,
            "<path d=\"M{left:.1} {above}V{below}M{left:.1} {centre}H{right:.1}M{right:.1} {above}V{below}\" \
             stroke=\"#222\" fill=\"none\"/>"
        );
    }
    svg
}

/// Scale from a value to a length.
struct Scale {
    largest: f64,
    /// Value at the left end of a logarithmic scale; `None` if the scale is linear.
    logarithmic_from: Option<f64>,
}

impl Scale {
    fn of(values: &[f64]) -> Self {
        let largest = max(values).max(1e-9);
        let smallest = min(values);
        let is_wide = smallest > 0.0 && largest / smallest >= LOGARITHMIC_FROM;
        // The smallest value needs a visible bar.
        Self { largest, logarithmic_from: is_wide.then_some(smallest / 2.0) }
    }

    fn is_logarithmic(&self) -> bool {
        self.logarithmic_from.is_some()
    }

    fn place(&self, value: f64) -> f64 {
        let share = match self.logarithmic_from {
            Some(from) => (value / from).ln() / (self.largest / from).ln(),
            None => value / self.largest,
        };
        share.clamp(0.0, 1.0) * BAR_LENGTH
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_fills_the_scale_and_the_smallest_is_seen() {
        let linear = Scale::of(&[0.0, 5.0, 10.0]);
        assert!(!linear.is_logarithmic());
        assert_eq!([0.0, 5.0, 10.0].map(|value| linear.place(value)), [0.0, 220.0, 440.0]);
        let wide = Scale::of(&[1.0, 1000.0]);
        assert!(wide.is_logarithmic());
        assert_eq!(wide.place(1000.0), 440.0);
        assert!(wide.place(1.0) > 10.0);
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escaped("a < b & c"), "a &lt; b &amp; c");
    }
}
