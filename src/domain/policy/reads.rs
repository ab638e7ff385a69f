//! What is read of an instance: what policies mention, and what notices and records tell beside it.
//! Nothing else is asked of EC2, or decoded from its answers.

use std::collections::BTreeSet;

use super::attribute::Attribute;

/// The tag that names the Auto Scaling group of an instance; AWS sets it.
pub const AUTO_SCALING_GROUP: &str = "aws:autoscaling:groupName";

/// The most tag keys that policies may mention together. EC2 takes 200 values in all filters of a
/// DescribeTags call (`FilterLimitExceeded`), and each key takes the place of an instance id.
pub const KEY_LIMIT: usize = 50;

/// What is read of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// The keys of the tags, that of the exception tag among them.
    pub tags: BTreeSet<String>,
    /// The attributes.
    pub attributes: BTreeSet<Attribute>,
    /// Whether the dates in the values of tags are read.
    pub dates: bool,
    /// Whether DescribeInstances shows all tags, and not only those of `tags`.
    pub all_tags: bool,
}

impl Reads {
    /// Adds what others read.
    pub fn extend(&mut self, others: Self) {
        self.tags.extend(others.tags);
        self.attributes.extend(others.attributes);
        self.dates |= others.dates;
        self.all_tags |= others.all_tags;
    }
}
