//! Summary of the results that test binaries report.
//!
//! Only the summaries of Rust's test runner are read, never the lines of single tests. A step that fails without
//! failed tests counts as one failure, so that the last line of a failed run never contains `0 failed`.

use std::fmt;

/// TestSummary of tests of a whole run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TestSummary {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl TestSummary {
    /// Adds a line of the form `test result: ok. 3 passed; 0 failed; 1 ignored; …`, and ignores any other line.
    pub(crate) fn add_line(&mut self, line: &str) {
        // The line may begin with text that a test printed without a newline.
        let Some((_, summary)) = line.split_once("test result: ") else { return };
        let numbers = summary.split_once(". ").map_or(summary, |(_, numbers)| numbers);
        for part in numbers.split(';') {
            let Some((number, word)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }

    pub(crate) fn fail_step(&mut self) {
        self.failed += 1;
    }

    pub(crate) fn skip_step(&mut self) {
        self.skipped += 1;
    }
}

impl fmt::Display for TestSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_added_up() {
        let mut counts = TestSummary::default();
        for line in [
            "running 3 tests",
            "test result is not a summary: 7 passed",
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
            "by a testtest result: FAILED. 5 passed; 3 failed; 0 ignored; finished in 1.20s",
        ] {
            counts.add_line(line);
        }
        assert_eq!(counts.to_string(), "7 passed, 3 failed, 1 skipped");
    }
}
