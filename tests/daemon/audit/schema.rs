//! Validates lines against `docs/audit.schema.json`, with as much of JSON Schema as that uses. A
//! keyword that is not known here fails the test.

use std::collections::HashMap;
use std::fs;
use std::sync::{LazyLock, Mutex};

use regex::Regex;
use serde_json::{Map, Value};

/// Words that describe, and constrain nothing.
const ANNOTATIONS: [&str; 5] = ["$schema", "$defs", "title", "description", "$comment"];

/// The schema, and what is wrong with a line by it.
pub(crate) struct Schema(Value);

impl Schema {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string("docs/audit.schema.json").unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    /// What is wrong with a line; nothing if it is valid.
    pub(crate) fn mistakes(&self, line: &Value) -> Vec<String> {
        self.check(line, &self.0, "")
    }

    fn check(&self, value: &Value, schema: &Value, at: &str) -> Vec<String> {
        let Value::Object(schema) = schema else {
            let allowed = schema.as_bool().expect("a schema is an object or a truth");
            return if allowed { Vec::new() } else { vec![format!("{at}: is not allowed")] };
        };
        let words = schema.iter().filter(|(word, _)| !ANNOTATIONS.contains(&word.as_str()));
        words.flat_map(|(word, rule)| self.keyword(value, (word, rule, schema), at)).collect()
    }

    fn keyword(
        &self,
        value: &Value,
        (word, rule, schema): (&str, &Value, &Map<String, Value>),
        at: &str,
    ) -> Vec<String> {
        let is_right = match word {
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "type" => is_of_type(value, rule),
            "pattern" => matches(value, rule.as_str().unwrap()),
            "required" => names(rule).all(|name| value.get(name).is_some()),
            "dependentRequired" => rule.as_object().unwrap().iter().all(|(name, needed)| {
                value.get(name).is_none() || names(needed).all(|one| value.get(one).is_some())
            }),
            _ => return self.inner(value, (word, rule, schema), at),
        };
        if is_right { Vec::new() } else { vec![format!("{at}: {word} {rule}: {value}")] }
    }

    /// Checks a keyword with schemas in it.
    fn inner(
        &self,
        value: &Value,
        (word, rule, schema): (&str, &Value, &Map<String, Value>),
        at: &str,
    ) -> Vec<String> {
        let fields = || value.as_object().into_iter().flatten();
        let inside = |name: &str, field, rule| self.check(field, rule, &format!("{at}.{name}"));
        match word {
            "$ref" => self.check(value, self.definition(rule.as_str().unwrap()), at),
            "oneOf" => {
                let fits = |one: &&Value| self.check(value, one, at).is_empty();
                let fitting = rule.as_array().unwrap().iter().filter(fits).count();
                if fitting == 1 { Vec::new() } else { self.all(value, rule, at) }
            }
            "items" => {
                let items = value.as_array().into_iter().flatten();
                items.flat_map(|item| self.check(item, rule, &format!("{at}[]"))).collect()
            }
            "properties" => {
                let known =
                    fields().filter_map(|(name, field)| Some((name, field, rule.get(name)?)));
                known.flat_map(|(name, field, rule)| inside(name, field, rule)).collect()
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let is_known = |name: &str| known.is_some_and(|known| known.contains_key(name));
                let others = fields().filter(|(name, _)| !is_known(name));
                others.flat_map(|(name, field)| inside(name, field, rule)).collect()
            }
            other => panic!("{other} is not known to this test"),
        }
    }

    fn all(&self, value: &Value, rules: &Value, at: &str) -> Vec<String> {
        let rules = rules.as_array().unwrap().iter();
        rules.flat_map(|one| self.check(value, one, &format!("{at} (one of several)"))).collect()
    }

    fn definition(&self, path: &str) -> &Value {
        self.0.pointer(path.strip_prefix('#').unwrap()).unwrap()
    }
}

fn names(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap())
}

fn is_of_type(value: &Value, wanted: &Value) -> bool {
    let own = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    wanted.as_str().map_or_else(|| names(wanted).any(|one| one == own), |one| one == own)
}

fn matches(value: &Value, pattern: &str) -> bool {
    /// Compiled once: without optimisation that takes a thousand times as long as a match.
    static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap();
    let regex = compiled.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).unwrap());
    value.as_str().is_none_or(|text| regex.is_match(text))
}

#[test]
fn a_line_with_a_mistake_is_found() {
    let schema = Schema::read();
    let sound = serde_json::json!({"audit": 1, "kind": "outcome", "outcome": "ignored",
        "time": "2026-11-26T20:48:21.123Z", "message": "m"});
    assert_eq!(schema.mistakes(&sound), [""; 0]);
    for (name, value) in [
        ("audit", Value::from(2)),
        ("kind", "stop".into()),
        ("time", "yesterday".into()),
        ("outcome", "fine".into()),
        ("surplus", "x".into()),
        ("tags", serde_json::json!({"a": 1})),
        ("event", "without the rest".into()),
        ("message", Value::Null),
    ] {
        let mut line = sound.clone();
        line[name] = value;
        assert!(!schema.mistakes(&line).is_empty(), "{line}");
    }
}
