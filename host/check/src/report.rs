//! What the reader sees: a line a case, what is wrong below it, the count at the end.

use std::io::{self, Write};

/// Problems shown of one case. What follows is mostly more of the same.
const SHOWN: usize = 20;

/// How many cases came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Came out as they should.
    pub passed: usize,
    /// Did not, or could not be read.
    pub failed: usize,
}

impl Summary {
    /// Whether there were cases and all of them passed.
    pub fn is_success(self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

/// Writes the report as the cases come.
pub(crate) struct Report<'a> {
    out: &'a mut dyn Write,
    summary: Summary,
}

impl<'a> Report<'a> {
    pub(crate) fn new(out: &'a mut dyn Write) -> Self {
        Report { out, summary: Summary::default() }
    }

    /// One case is done; it passed if there is no problem.
    pub(crate) fn case(&mut self, name: &str, problems: &[String]) -> io::Result<()> {
        if problems.is_empty() {
            self.summary.passed += 1;
            return writeln!(self.out, "ok {name}");
        }
        self.summary.failed += 1;
        writeln!(self.out, "FAIL {name}")?;
        for problem in problems.iter().take(SHOWN) {
            writeln!(self.out, "     {problem}")?;
        }
        match problems.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(self.out, "     and {more} more"),
        }
    }

    /// The last line.
    pub(crate) fn end(self) -> io::Result<Summary> {
        let Summary { passed, failed } = self.summary;
        if passed + failed == 0 {
            writeln!(self.out, "no case file (*.json) found")?;
        }
        writeln!(self.out, "{passed} passed, {failed} failed")?;
        Ok(self.summary)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn report(cases: &[(&str, Vec<String>)]) -> (String, Summary) {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out);
        for (name, problems) in cases {
            report.case(name, problems).unwrap();
        }
        let summary = report.end().unwrap();
        (String::from_utf8(out).unwrap(), summary)
    }

    #[test]
    fn a_line_a_case_and_the_count_alone_at_the_end() {
        let problems = vec!["in b.json".to_owned(), "chunks: expected 1, got 2".to_owned()];
        let (text, summary) = report(&[("a", vec![]), ("b", problems)]);
        assert_eq!(
            text,
            "ok a\nFAIL b\n     in b.json\n     chunks: expected 1, got 2\n1 passed, 1 failed\n"
        );
        assert_eq!(summary, Summary { passed: 1, failed: 1 });
        assert!(!summary.is_success());
    }

    #[test]
    fn no_case_at_all_is_no_success() {
        let (text, summary) = report(&[]);
        assert_eq!(text, "no case file (*.json) found\n0 passed, 0 failed\n");
        assert!(!summary.is_success());
        assert!(report(&[("a", vec![])]).1.is_success());
    }

    #[test]
    fn a_long_list_is_cut() {
        let problems: Vec<_> = (0..25).map(|i| i.to_string()).collect();
        let (text, _) = report(&[("a", problems)]);
        assert!(text.contains("     19\n     and 5 more\n0 passed"), "{text}");
    }
}
