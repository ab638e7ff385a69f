//! The results as JUnit XML, which CI systems show.

use std::collections::BTreeMap;
use std::fmt::Write;

use quick_xml::escape::escape;

use super::result::TestResult;

/// Writes the results: a suite for each file.
pub(super) fn xml(results: &[TestResult]) -> String {
    let mut suites = BTreeMap::<&str, Vec<&TestResult>>::new();
    for result in results {
        suites.entry(&result.file).or_default().push(result);
    }
    let counts = counts(results);
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n");
    for (file, results) in suites {
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" {}>",
            escape(file),
            self::counts(results.iter().copied())
        );
        for result in results {
            text += &case(result);
        }
        text += "  </testsuite>\n";
    }
    text + "</testsuites>\n"
}

fn counts<'r>(results: impl IntoIterator<Item = &'r TestResult>) -> String {
    let (mut tests, mut failures) = (0, 0);
    for result in results {
        tests += 1;
        failures += usize::from(!result.failures.is_empty());
    }
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\"")
}

fn case(result: &TestResult) -> String {
    let TestResult { file, line, name, failures } = result;
    let line = line.map(|line| format!(" line=\"{line}\"")).unwrap_or_default();
    let (name, file) = (escape(name), escape(file));
    let head = format!("    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\"{line}");
    if failures.is_empty() {
        return head + "/>\n";
    }
    let said = failures.join("; ");
    let said = escape(&said);
    format!("{head}>\n      <failure message=\"{said}\">{said}</failure>\n    </testcase>\n")
}
