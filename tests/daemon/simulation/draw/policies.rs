//! Draws policies for some worlds. It has a generator of its own,
//! so that all worlds are as they would be without it, and those without policies stay the same.

use std::time::Duration;

use fastrand::Rng;

use super::setting::{AWAY, HOME};
use super::traits::{GROUPS, KEYS, TAGS, TYPES, UNTIL};
use crate::simulation::plan::{Happening, Plan};
use crate::simulation::policies::{Condition, Mode, Policies, Policy, Set, Test};

/// Makes another sequence of the seed than that of the other draws.
const SALT: u64 = 0x0706_1CE5;
/// The share of worlds with policies.
const SHARE: f64 = 0.4;
const IDS: [&str; 6] = ["age", "group", "image", "owner", "small-only", "zone"];
const PATTERNS: [&str; 4] = ["*@example.com", "prod*", "web*", "b*m"];
/// What a condition asks for. One policy asks for each at most once, so that no condition
/// contradicts itself, which would be refused.
const SUBJECTS: [Subject; 12] = [
    Subject::Tag(0),
    Subject::Tag(1),
    Subject::Tag(2),
    Subject::Date,
    Subject::Type,
    Subject::Address,
    Subject::Key,
    Subject::Metadata,
    Subject::Age,
    Subject::Group,
    Subject::Place,
    Subject::Trigger,
];

#[derive(Debug, Clone, Copy)]
enum Subject {
    Tag(usize),
    Date,
    Type,
    Address,
    Key,
    Metadata,
    Age,
    Group,
    Place,
    Trigger,
}

/// Draws of what has to do with policies.
pub(super) struct Draw(pub(super) Rng);

impl Plan {
    /// The same plan, with policies if the seed says so.
    pub(super) fn with_policies(mut self) -> Self {
        let mut draw = Draw(Rng::with_seed(self.seed ^ SALT));
        if !draw.chance(SHARE) {
            return self;
        }
        let first = draw.set();
        let later = draw.chance(0.35).then(|| (draw.moment(), draw.changed(&first)));
        let policies = Policies { first, later };
        if let Some((at, _)) = &policies.later {
            self.story.push((*at, Happening::Reload));
        }
        if !policies.all_honour_the_tag() {
            // A tag that one call never shows would be waited for, and the guard would deny stops.
            self.instances.iter_mut().for_each(|instance| instance.unseen_by = None);
            self.options.guard_tag = None;
        }
        let keys: Vec<_> = policies.sets().flat_map(Set::keys).collect();
        self.policies = Some(policies);
        for number in 0..self.instances.len() {
            self.instances[number].traits = Some(draw.traits());
            draw.changes(number, &keys, &mut self);
        }
        self.story.sort_by_key(|(at, _)| *at);
        self
    }
}

impl Draw {
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.0.f64() < probability
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.0.usize(..choices.len())]
    }

    pub(super) fn moment(&mut self) -> Duration {
        Duration::from_millis(self.0.u64(0..60_000))
    }

    fn set(&mut self) -> Set {
        let mut ids = IDS;
        self.0.shuffle(&mut ids);
        let count = self.0.usize(1..=4);
        Set {
            builtin: self.chance(0.4),
            grace: None,
            cap: self.pick(&[
                Mode::Enforce,
                Mode::Enforce,
                Mode::Enforce,
                Mode::Warn,
                Mode::DryRun,
            ]),
            policies: ids[..count].iter().map(|id| self.policy(id)).collect(),
        }
    }

    /// Other policies, or the same ones in other modes.
    fn changed(&mut self, set: &Set) -> Set {
        if self.chance(0.5) {
            return self.set();
        }
        let mut changed = set.clone();
        for policy in &mut changed.policies {
            policy.mode = self.mode();
        }
        changed
    }

    fn mode(&mut self) -> Mode {
        self.pick(&[Mode::Enforce, Mode::Enforce, Mode::Warn, Mode::DryRun])
    }

    fn policy(&mut self, id: &'static str) -> Policy {
        Policy {
            id,
            mode: self.mode(),
            grace: None,
            ignores_exception: self.chance(0.2),
            description: self.chance(0.5).then_some("Ask in #cloud."),
            condition: self.condition(),
        }
    }

    /// Draws a condition of up to three tests, the first of which tells instances apart.
    fn condition(&mut self) -> Condition {
        let mut subjects = SUBJECTS;
        let (telling, others) = subjects.split_at_mut(6);
        self.0.shuffle(telling);
        self.0.shuffle(others);
        let mut parts = vec![self.part(telling[0])];
        for _ in 0..self.pick(&[0, 0, 1, 1, 2]) {
            let place = parts.len();
            let subject = if self.chance(0.5) { telling[place] } else { others[place] };
            parts.push(self.part(subject));
        }
        let joined = match (parts.len(), self.0.bool()) {
            (1, _) => parts.remove(0),
            (_, true) => Condition::All(parts),
            (_, false) => Condition::Any(parts),
        };
        self.negated(joined, 0.2)
    }

    fn part(&mut self, subject: Subject) -> Condition {
        let test = Condition::Is(self.test(subject));
        self.negated(test, 0.4)
    }

    fn negated(&mut self, condition: Condition, probability: f64) -> Condition {
        if self.chance(probability) { Condition::Not(Box::new(condition)) } else { condition }
    }

    fn test(&mut self, subject: Subject) -> Test {
        match subject {
            Subject::Tag(number) => self.tag_test(TAGS[number]),
            Subject::Date if self.chance(0.2) => Test::HasTag(UNTIL),
            Subject::Date => Test::IsPast(UNTIL),
            Subject::Type => {
                let mut types = TYPES;
                self.0.shuffle(&mut types);
                Test::TypeIn(types[..self.0.usize(1..=3)].to_vec())
            }
            Subject::Address => Test::HasPublicAddress,
            Subject::Key => Test::KeyIs(self.pick(&KEYS)),
            Subject::Metadata => Test::RequiresTokens,
            Subject::Age => Test::RunsLongerThan(self.pick(&[10, 40, 3_600])),
            Subject::Group => Test::InGroup(self.pick(&[HOME, HOME, AWAY]), self.pick(&GROUPS)),
            Subject::Place if self.0.bool() => Test::InRegion(self.pick(&[HOME, AWAY])),
            Subject::Place => Test::InUnit(self.pick(&["ours", "theirs"])),
            Subject::Trigger => Test::TriggerIs(self.pick(&["start", "tag", "sweep"])),
        }
    }

    fn tag_test(&mut self, (key, values): (&'static str, [&'static str; 4])) -> Test {
        match self.0.u32(0..3) {
            0 => Test::HasTag(key),
            1 => Test::TagIs(key, self.pick(&values)),
            _ => Test::TagLike(key, self.pick(&PATTERNS)),
        }
    }
}
