//! The audit trail: what it says, and that nothing is deleted before its line is in the file.

mod disk;
mod killed;
mod lines;
pub(crate) mod schema;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use ec2_policy_enforcer::sandbox::Sandbox;
use serde_json::Value;

use crate::world::World;
use schema::Schema;

/// A folder with the file of a trail, which is removed at the end.
pub(crate) struct Trail(PathBuf);

impl Trail {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("enforcer-audit-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.join("audit.jsonl")
    }

    /// The world, with this trail.
    pub(crate) fn of(&self, world: World) -> World {
        world.set("ENFORCER_AUDIT__TO", self.path().to_str().unwrap())
    }

    /// All lines, in the order of the files' names. Each must be whole and valid.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.files().iter().flat_map(|file| read(file)).collect()
    }

    fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.0).unwrap().map(|one| one.unwrap().path());
        let mut files: Vec<_> = files.filter(|file| file.is_file()).collect();
        files.sort();
        files
    }

    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["kind"] == kind).collect()
    }

    /// The lines of outcomes about an instance.
    pub(crate) fn outcomes_of(&self, instance: &str) -> Vec<Value> {
        let lines = self.of_kind("outcome").into_iter();
        lines.filter(|line| line["instance"] == instance).collect()
    }

    /// The ids of the messages that have a line.
    fn messages(&self) -> BTreeSet<String> {
        let lines = self.of_kind("outcome").into_iter();
        lines.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }

    /// The messages that AWS saw received, has no more, and that have no line.
    fn deleted_without_line(&self, aws: &Sandbox) -> Vec<String> {
        let left: BTreeSet<_> = aws.messages().into_iter().map(|message| message.id).collect();
        let received = aws.calls("ReceiveMessage").into_iter().flat_map(|call| call.subjects);
        let texts = self.files().into_iter().map(|file| fs::read_to_string(file).unwrap());
        let text: String = texts.collect();
        // A line whose end was not written is none.
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        let words: BTreeSet<_> = whole.split('"').collect();
        received.filter(|id| !left.contains(id) && !words.contains(id.as_str())).collect()
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The lines of a file, each of which must be whole and valid.
fn read(file: &Path) -> Vec<Value> {
    let (schema, text) = (Schema::read(), fs::read_to_string(file).unwrap());
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is broken: {text}");
    let lines = text.lines().map(|line| {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(schema.mistakes(&line), [""; 0], "{line}");
        line
    });
    lines.collect()
}
