//! Reads TOML into JSON, and tells at which line its cases begin.

use serde_json::{Map, Value};
use toml::de::{DeInteger, DeTable, DeValue};

/// A file of TOML.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Document {
    /// All of it.
    pub root: Value,
    /// The lines at which the tables of the list `case` begin, which count from 1.
    pub lines: Vec<usize>,
}

/// Reads TOML. Times become text.
///
/// # Errors
/// The text is no TOML: `LINE:COLUMN: what is wrong`.
pub(super) fn read(text: &str) -> Result<Document, String> {
    let table = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let (line, column) = place(text, offset);
        let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{line}:{column}: {message}")
    })?;
    let table = table.into_inner();
    let cases = table.get("case").and_then(|cases| cases.get_ref().as_array());
    let starts = cases.into_iter().flat_map(|cases| cases.iter());
    let lines = starts.map(|case| place(text, case.span().start).0).collect();
    Ok(Document { root: object(&table), lines })
}

/// The line and the column of a byte, which count from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

fn object(table: &DeTable<'_>) -> Value {
    let fields = table.iter();
    let fields = fields.map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref())));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(truth) => (*truth).into(),
        DeValue::Integer(number) => integer(number),
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| json(item.get_ref())).collect())
        }
        DeValue::Table(table) => object(table),
    }
}

/// A number, or its digits where they are too many. No key takes a number.
fn integer(number: &DeInteger<'_>) -> Value {
    let parsed = i64::from_str_radix(number.as_str(), number.radix());
    parsed.map_or_else(|_| number.as_str().into(), Value::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_value_is_read_and_cases_know_their_lines() {
        let text = "a = [1, 0x10, 2.5, true]\n\n[[case]]\nat = 2026-12-02T10:00:00Z\n\
                    b.c = \"ä\"\n[[case]]\nname = '''x'''\n";
        let document = read(text).unwrap();
        let cases = json!([{ "at": "2026-12-02T10:00:00Z", "b": { "c": "ä" } }, { "name": "x" }]);
        assert_eq!(document.root, json!({ "a": [1, 16, 2.5, true], "case": cases }));
        assert_eq!(document.lines, [3, 6]);
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let said = read("[[case]]\nname = web\n").unwrap_err();
        assert!(said.starts_with("2:8: "), "{said}");
        let said = read("a = 1\na = 2\n").unwrap_err();
        assert!(said.starts_with("2:1: "), "{said}");
    }
}
