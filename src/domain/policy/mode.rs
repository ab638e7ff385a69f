//! Modes: how far a policy goes with an instance that violates it.

use std::fmt;

/// How far a policy goes with an instance that violates it. In the order of their strength: of
/// several policies that one instance violates, the strongest mode decides what is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// The violation is decided, logged and counted; nothing is done, and nobody is told.
    DryRun,
    /// The owner is told, and the instance goes on running.
    Warn,
    /// The instance is stopped, and the owner is told.
    Enforce,
}

impl Mode {
    /// All modes, the weakest first.
    pub const ALL: [Self; 3] = [Self::DryRun, Self::Warn, Self::Enforce];

    /// Reads a mode as operators write it; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }

    /// The mode as operators write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DryRun => "dry-run",
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        }
    }

    /// The word for the mode in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::DryRun => "dry_run",
            Self::Warn | Self::Enforce => self.as_str(),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_read_as_it_is_written() {
        for mode in Mode::ALL {
            assert_eq!(Mode::parse(mode.as_str()), Some(mode));
        }
        for wrong in ["", "Enforce", "dry_run", "dryrun", "stop"] {
            assert_eq!(Mode::parse(wrong), None);
        }
    }

    #[test]
    fn enforcing_is_stronger_than_warning_and_that_than_a_dry_run() {
        assert!(Mode::Enforce > Mode::Warn && Mode::Warn > Mode::DryRun);
    }
}
