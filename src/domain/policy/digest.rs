//! The digest of the policies: by it a record says which policies were in effect.

use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The first 8 bytes of the SHA-256 of all that policies are made from. Two sets of policies have
/// the same one if they decide alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; 8]);

impl Digest {
    /// That of parts. Where one ends makes a difference.
    pub(crate) fn of<'part>(parts: impl IntoIterator<Item = &'part [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let mut first = [0; 8];
        first.iter_mut().zip(hash.finalize()).for_each(|(byte, of_hash)| *byte = of_hash);
        Self(first)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::mode::Mode;
    use crate::domain::policy::{Policies, Source, Sources, Vocabulary};

    fn digest(change: impl FnOnce(&mut Sources)) -> Digest {
        let mut sources = Sources { builtin: true, ..Sources::bare("KEEP") };
        change(&mut sources);
        sources.digest(&Vocabulary::default())
    }

    #[test]
    fn a_change_of_any_policy_changes_the_digest() {
        let text = |text: &str| Source { name: "a".to_owned(), text: text.to_owned() };
        let changes: [fn(&mut Sources); 4] = [
            |sources| sources.exception_expires = true,
            |sources| sources.exception_tag = "Keep".to_owned(),
            |sources| sources.cap = Mode::Warn,
            |sources| sources.builtin = false,
        ];
        let mut digests: Vec<_> = changes.map(digest).into();
        digests.push(digest(|_| {}));
        digests.push(digest(|sources| sources.texts = vec![text("ab")]));
        digests.push(digest(|sources| sources.texts = vec![text("a"), text("b")]));
        let texts: std::collections::BTreeSet<_> =
            digests.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), digests.len());
        assert!(texts.iter().all(|text| text.len() == 16));
    }

    #[test]
    fn the_built_in_policy_has_the_digest_of_the_default_settings() {
        assert_eq!(Policies::builtin("KEEP").digest(), digest(|_| {}));
    }
}
