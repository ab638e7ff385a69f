//! Draws what policies tell instances by, and how their tags change.

use std::time::Duration;

use super::policies::Draw;
use crate::simulation::plan::{Change, Happening, Metadata, Plan, Traits, Trouble};
use crate::simulation::policies::{DATES, GROUP};

pub(super) const TYPES: [&str; 5] =
    ["t3.micro", "t3.small", "t4g.micro", "m5.large", "g4dn.xlarge"];
pub(super) const UNTIL: &str = "until";
pub(super) const GROUPS: [&str; 2] = ["web", "batch"];
pub(super) const KEYS: [&str; 2] = ["operations", "ann"];
/// Tags with values that policies ask for, and others.
pub(super) const TAGS: [(&str, [&str; 4]); 3] = [
    ("Owner", ["ann@example.com", "bob@example.com", "bob@elsewhere.example", ""]),
    ("Env", ["prod", "production", "dev", ""]),
    ("Team", ["web", "web-2", "data", ""]),
];

impl Draw {
    /// Draws what policies tell an instance by.
    pub(super) fn traits(&mut self) -> Traits {
        let mut tags = Vec::new();
        for (key, values) in TAGS {
            if self.chance(0.5) {
                tags.push((key, self.pick(&values)));
            }
        }
        if self.chance(0.6) {
            tags.push((UNTIL, self.pick(&DATES).0));
        }
        if self.chance(0.4) {
            tags.push((GROUP, self.pick(&GROUPS)));
        }
        Traits {
            instance_type: self.pick(&TYPES),
            tags,
            has_public_address: self.chance(0.4),
            key: self.chance(0.7).then(|| self.pick(&KEYS)),
            metadata: self.pick(&[
                Metadata::RequiresTokens,
                Metadata::RequiresTokens,
                Metadata::TakesAnyCall,
                Metadata::Off,
            ]),
            age: Duration::from_secs(self.pick(&[0, 0, 30, 7_200])),
        }
    }

    /// Plans changes of an instance's tags: at any time, and around calls that name it, most of them
    /// between the two looks.
    pub(super) fn changes(&mut self, instance: usize, keys: &[&'static str], plan: &mut Plan) {
        for _ in 0..self.pick(&[0, 0, 1, 2]) {
            let (at, change) = (self.moment(), self.change(keys));
            plan.story.push((at, Happening::Change(change, instance)));
        }
        if self.chance(0.5) {
            let operation = self.pick(&["DescribeTags", "DescribeInstances", "DescribeInstances"]);
            let race = Trouble::Race {
                operation,
                instance,
                change: self.change(keys),
                before: self.chance(if operation == "DescribeTags" { 0.2 } else { 0.8 }),
            };
            let number = plan.story.len();
            plan.story.push((Duration::ZERO, Happening::Strike(number, race)));
        }
    }

    /// Draws a change of a tag, which policies mention if they mention any.
    pub(super) fn change(&mut self, keys: &[&'static str]) -> Change {
        let key = if keys.is_empty() { UNTIL } else { self.pick(keys) };
        let values = TAGS.iter().find(|(one, _)| *one == key).map(|(_, values)| *values);
        match values {
            _ if self.chance(0.4) => Change::Unset(key),
            Some(values) => Change::Set(key, self.pick(&values)),
            None if key == GROUP => Change::Set(key, self.pick(&GROUPS)),
            None => Change::Set(UNTIL, self.pick(&DATES).0),
        }
    }
}
