//! Policies for commands: those of the settings, or of files that the command line names.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::ended::Ended;
use crate::domain::ids::Account;
use crate::domain::policy::{Policies, Source, Sources, Vocabulary, schema};
use crate::settings::{self, PolicySections, SettingsError};

/// The key of the exception tag where no settings say another one.
const EXCEPTION_TAG: &str = "SPECIAL_EXCEPTION";

/// What policies are loaded with.
#[derive(Clone, Debug)]
pub(super) struct Loading {
    /// `None`: there are no settings, and no built-in policy.
    settings: Option<PolicySections>,
    /// What policies may name.
    vocabulary: Vocabulary,
}

impl Loading {
    /// Reads the settings, as far as they are about policies. `account` is the one that the daemon
    /// works in, if the settings do not say.
    pub(super) fn of_settings(
        config: Option<&Path>,
        account: Option<&Account>,
    ) -> Result<Self, Ended> {
        let settings = settings::policy_sections(config)?;
        let vocabulary = settings.vocabulary(account);
        Ok(Self { settings: Some(settings), vocabulary })
    }

    /// Without settings: policies may name this.
    pub(super) fn offline(vocabulary: Vocabulary) -> Self {
        Self { settings: None, vocabulary }
    }

    /// Lets policies name these units and regions too.
    pub(super) fn know(&mut self, others: Vocabulary) {
        self.vocabulary.units.extend(others.units);
        self.vocabulary.regions.extend(others.regions);
    }

    /// The policies of the settings.
    pub(super) fn policies(mut self) -> Result<Policies, Ended> {
        if let Some(settings) = &mut self.settings {
            settings.read_texts()?;
        }
        self.load(&self.sources())
    }

    /// The policies of files alone, each in the mode that it says.
    pub(super) fn of_files<'f>(
        &self,
        files: impl IntoIterator<Item = &'f PathBuf>,
    ) -> Result<Policies, Ended> {
        let Sources { exception_tag, exception_expires, .. } = self.sources();
        let texts = read(files)?;
        self.load(&Sources { exception_expires, texts, ..Sources::bare(exception_tag) })
    }

    /// The policies of files in place of those that the settings name; the built-in one and the
    /// strongest mode are as the settings say.
    pub(super) fn with_files<'f>(
        &self,
        files: impl IntoIterator<Item = &'f PathBuf>,
    ) -> Result<Policies, Ended> {
        self.load(&Sources { texts: read(files)?, ..self.sources() })
    }

    /// What policies can read and name, in Cedar's language.
    pub(super) fn schema(&self) -> String {
        schema(&self.vocabulary)
    }

    fn sources(&self) -> Sources {
        let bare = || Sources::bare(EXCEPTION_TAG);
        self.settings.as_ref().map_or_else(bare, PolicySections::sources)
    }

    fn load(&self, sources: &Sources) -> Result<Policies, Ended> {
        Ok(Policies::load(sources, &self.vocabulary)?)
    }
}

fn read<'f>(files: impl IntoIterator<Item = &'f PathBuf>) -> Result<Vec<Source>, Ended> {
    let read = |path: &PathBuf| {
        settings::read_policies(path).map_err(|refused| match refused {
            // The file is the caller's own, and none of the daemon's settings.
            SettingsError::PolicyFile { path, error } => {
                Ended::Failed(anyhow!("cannot read {}: {error}", path.display()))
            }
            other => other.into(),
        })
    };
    files.into_iter().map(read).collect()
}
