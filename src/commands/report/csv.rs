//! The report as comma-separated values (RFC 4180): a line for each running instance.

use super::Found;

const HEAD: &str = "account,region,instance,standing,policies,owner,exempt_until\r\n";

/// A head, and a line for each running instance. Accounts and regions that could not be read have
/// none.
pub(super) fn report(found: &[Found]) -> String {
    let mut text = HEAD.to_owned();
    for Found { target, instances } in found {
        for one in instances.iter().flatten() {
            let cells = [
                target.account.as_str(),
                target.region.as_str(),
                one.instance.as_str(),
                one.label(),
                &one.violates.join(" "),
                &one.owner,
                &one.until(),
            ];
            text.push_str(&cells.map(cell).join(","));
            text.push_str("\r\n");
        }
    }
    text
}

/// A value, in quotes where it has what separates values. One that a spreadsheet would take for a
/// formula begins with an apostrophe: owners write tags.
fn cell(value: &str) -> String {
    let is_formula = value.starts_with(['=', '+', '-', '@', '\t']);
    let value = if is_formula { format!("'{value}") } else { value.to_owned() };
    if value.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_separates_values_is_quoted_and_no_value_is_a_formula() {
        assert_eq!(cell("alice"), "alice");
        assert_eq!(cell("Doe, \"Jane\""), "\"Doe, \"\"Jane\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell(""), "");
    }
}
