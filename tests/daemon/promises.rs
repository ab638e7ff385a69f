//! Each promise in the book names its tests, and these tests exist.

use std::fs;
use std::path::Path;

/// Lists the modules and tests (`module`, `module::test`) in the second column of the table.
fn named(page: &str) -> Vec<String> {
    let section = page.split("\n## ").find(|section| section.starts_with("What it promises"));
    let rows = section.unwrap().lines().filter(|line| line.starts_with('|')).skip(2);
    let mut named = Vec::new();
    for row in rows {
        let tests = row.rsplit('|').nth(1).unwrap();
        named.extend(tests.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    named
}

#[test]
fn every_promise_names_tests_that_exist() {
    let named = named(&fs::read_to_string("docs/src/behaviour.md").unwrap());
    assert!(named.len() > 20, "{named:?}");
    // The property tests of a source file are named by its path.
    for name in named.iter().filter(|name| !name.contains('/')) {
        let (module, test) = name.split_once("::").map_or((&**name, None), |(m, t)| (m, Some(t)));
        let path = Path::new("tests/daemon").join(module);
        let source = fs::read_to_string(path.with_extension("rs"))
            .or_else(|_| fs::read_to_string(path.join("mod.rs")));
        let source = source.unwrap_or_else(|_| panic!("no module {module}"));
        assert!(test.is_none_or(|test| source.contains(&format!("fn {test}("))), "no test {name}");
    }
}
