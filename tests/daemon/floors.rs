//! The folders of `src/` are floors: imports go down, and no files import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floors from top to bottom. Folders on the same floor do not import each other.
const FLOORS: [&[&str]; 13] = [
    &["story"],
    &["commands", "sandbox"],
    &["daemon"],
    &["health"],
    &["pipeline"],
    &["inflight", "rate_limit"],
    &["retry"],
    &["aws"],
    &["settings"],
    &["telemetry", "cli"],
    &["domain"],
    &["runtime"],
    &[],
];
/// The files of `src/` itself: the program and the library.
const FILES: [&str; 2] = ["lib.rs", "main.rs"];
/// The first words of a path into this crate.
const ROOTS: [&str; 2] = ["crate::", "super::"];

/// A source file, and the modules that it names.
struct Source {
    path: PathBuf,
    /// Paths of modules and items from the crate's root, such as `aws::error::Class`.
    imports: BTreeSet<String>,
}

/// All files under `src/` but those that are compiled for tests alone.
fn sources() -> Vec<Source> {
    let mut paths = vec![];
    collect(Path::new("src"), &mut paths);
    paths.into_iter().map(|path| Source { imports: imports(&path), path }).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).unwrap().map(|one| one.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" {
            collect(&path, paths);
        } else if path.is_file() && name != "tests" {
            paths.push(path);
        }
    }
}

/// The paths that a file names, outside comments and its tests.
fn imports(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code: String = code
        .lines()
        .map(|line| line.split("//").next().unwrap().trim())
        .collect::<Vec<_>>()
        .join(" ");
    let mut imports = BTreeSet::new();
    for child in children(&code) {
        for (at, begin) in code.match_indices(&format!("use {child}::")) {
            let own = [parent(path), vec![own_name(path), child.clone()]].concat();
            expand(&own, &code[at + begin.len()..], &mut imports);
        }
    }
    for root in ROOTS {
        for (at, _) in code.match_indices(root).filter(|(at, _)| begins_path(&code, *at)) {
            let base = if root == "crate::" { Vec::new() } else { parent(path) };
            expand(&base, &code[at + root.len()..], &mut imports);
        }
    }
    imports
}

/// The modules that a file declares, whose paths it writes without a root.
fn children(code: &str) -> Vec<String> {
    let names = code.split("mod ").skip(1).filter_map(|rest| rest.split_once(';'));
    names.map(|(name, _)| name.to_owned()).filter(|name| !name.contains(' ')).collect()
}

fn begins_path(code: &str, at: usize) -> bool {
    let before = code[..at].chars().next_back();
    !before.is_some_and(|character| character.is_alphanumeric() || ":_(".contains(character))
}

/// The module above that of a file.
fn parent(path: &Path) -> Vec<String> {
    let module = path.strip_prefix("src").unwrap().with_extension("");
    let mut parts: Vec<_> = module.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts.pop();
    parts
}

/// Adds the path that begins here, or each of those in its braces.
fn expand(base: &[String], mut rest: &str, imports: &mut BTreeSet<String>) {
    let mut path = base.to_vec();
    loop {
        if let Some(list) = rest.strip_prefix('{') {
            return items(list).into_iter().for_each(|item| expand(&path, item.trim(), imports));
        }
        let is_word = |one: char| one.is_alphanumeric() || one == '_';
        let word = &rest[..rest.find(|one| !is_word(one)).unwrap_or(rest.len())];
        match word {
            "super" => drop(path.pop()),
            "self" | "" => {}
            _ => path.push(word.to_owned()),
        }
        match rest[word.len()..].strip_prefix("::") {
            Some(more) => rest = more,
            None => break,
        }
    }
    imports.insert(path.join("::"));
}

/// The items of a list up to its closing brace.
fn items(list: &str) -> Vec<&str> {
    let (mut depth, mut began, mut items) = (0, 0, Vec::new());
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth > 0 => {}
            ',' | '}' => {
                items.push(&list[began..at]);
                began = at + 1;
            }
            _ => {}
        }
        if character == '}' && depth == 0 && began == at + 1 {
            break;
        }
    }
    items
}

fn folder(path: &Path) -> &str {
    path.iter().nth(1).unwrap().to_str().unwrap()
}

fn floor(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&folder))
}

#[test]
fn every_folder_has_a_floor_and_every_floor_its_folders() {
    let found: BTreeSet<_> = fs::read_dir("src")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let planned = FLOORS.concat().into_iter().chain(FILES).map(str::to_owned).collect();
    assert_eq!(found, planned);
}

#[test]
fn imports_go_down_the_floors() {
    let mut wrong = Vec::<String>::new();
    for Source { path, imports } in sources() {
        let Some(own) = floor(folder(&path)) else { continue };
        for import in imports {
            let to = import.split("::").next().unwrap();
            let Some(other) = floor(to) else { continue };
            if to != folder(&path) && other <= own {
                wrong.push(format!("{} imports {import}, which is not below it", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = sources();
    let modules: BTreeMap<String, usize> =
        sources.iter().enumerate().map(|(at, source)| (module(&source.path), at)).collect();
    let edges: Vec<Vec<usize>> = sources
        .iter()
        .enumerate()
        .map(|(at, source)| {
            let named = source.imports.iter().filter_map(|import| file(&modules, import));
            named.filter(|other| *other != at).collect()
        })
        .collect();
    let is_checked = |at: &usize| folder(&sources[*at].path) != "sandbox";
    let circles = (0..sources.len()).filter(is_checked).filter_map(|at| circle(&edges, at));
    let names = |circle: Vec<usize>| {
        circle
            .iter()
            .map(|at| sources[*at].path.display().to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let circles: Vec<_> = circles.map(names).collect();
    assert!(circles.is_empty(), "import each other in a circle:\n{}", circles.join("\n"));
}

fn module(path: &Path) -> String {
    [parent(path), vec![own_name(path)]].concat().join("::")
}

/// The name of a file's module.
fn own_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap();
    let name = if stem == "mod" { path.parent().unwrap().file_name().unwrap() } else { stem };
    name.to_str().unwrap().to_owned()
}

/// The file that has what a path names: that of the longest module in it.
fn file(modules: &BTreeMap<String, usize>, import: &str) -> Option<usize> {
    let parts: Vec<_> = import.split("::").collect();
    (1..=parts.len()).rev().find_map(|length| modules.get(&parts[..length].join("::")).copied())
}

/// A chain of imports from a file back to itself.
fn circle(edges: &[Vec<usize>], start: usize) -> Option<Vec<usize>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![start]];
    while let Some(way) = ways.pop() {
        for next in &edges[*way.last().unwrap()] {
            if *next == start {
                return Some(way);
            }
            if seen.insert(*next) {
                ways.push(way.iter().copied().chain([*next]).collect());
            }
        }
    }
    None
}

#[test]
fn paths_are_found_in_braces_and_above_and_not_in_comments() {
    let mut imports = BTreeSet::new();
    expand(&[], "aws::{error::{Class}, sqs::Queue};", &mut imports);
    expand(&["pipeline".into(), "settle".into()], "record::Record;", &mut imports);
    expand(&["pipeline".into(), "settle".into()], "super::delivery;", &mut imports);
    let expected = [
        "aws::error::Class",
        "aws::sqs::Queue",
        "pipeline::delivery",
        "pipeline::settle::record::Record",
    ];
    assert_eq!(imports.into_iter().collect::<Vec<_>>(), expected);
}
