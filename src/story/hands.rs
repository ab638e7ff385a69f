//! What an operator does in the story: the commands `undo` and `resume`, in this process.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow, ensure};
use time::{Duration, UtcDateTime};

use crate::aws::connection::Connection;
use crate::aws::sqs::Queue;
use crate::cli::ResumeArguments;
use crate::cli::console::Console;
use crate::cli::undo::{Keep, UndoArguments};
use crate::commands::resume;
use crate::commands::undo::{self, Host};
use crate::domain::ids::Region;
use crate::retry::backoff::Jitter;
use crate::retry::delays;
use crate::sandbox::Sandbox;
use crate::settings::Settings;

/// The settings of the operator's own machine.
const SETTINGS: &str = "[policy]\nexception_expires = true\n";

/// Keeps what a command prints.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

/// A folder for files that are of no use after the story.
pub(super) fn scratch_folder() -> PathBuf {
    std::env::temp_dir()
}

/// Starts again what was stopped since then, by the audit trail. Returns what the command printed.
pub(super) async fn undo(
    sandbox: &Sandbox,
    audit: &Path,
    since: UtcDateTime,
) -> anyhow::Result<String> {
    let settings = audit.with_extension("toml");
    fs::write(&settings, SETTINGS).context("cannot write the settings of undo")?;
    let arguments = UndoArguments {
        from: audit.to_owned(),
        since,
        until: None,
        policy: None,
        account: None,
        role: None,
        yes: true,
        keep: Keep(Duration::DAY),
        record: None,
        config: Some(settings.clone()),
    };
    let printed = Printed::default();
    let host = Host {
        sdk: sandbox.sdk_config().into(),
        clock: sandbox.clock(),
        jitter: Jitter::seeded(1),
        console: Console {
            output: Some(Box::new(printed.clone())),
            answers: None,
            remarks: Box::new(io::sink()),
            shows_progress: false,
        },
    };
    let ended = undo::carry_out(&arguments, host).await;
    fs::remove_file(&settings).context("cannot remove the settings of undo")?;
    let code = ended.map_err(|ended| anyhow!("undo failed: {ended}"))?;
    ensure!(code == 0, "undo ended with {code}: {}", printed.text());
    Ok(printed.text())
}

/// Lifts all holds on stops. Returns what the command printed.
pub(super) async fn resume(sandbox: &Sandbox, settings: &Settings) -> anyhow::Result<String> {
    let arguments = ResumeArguments { config: None, account: None, region: None, all: true };
    let sdk = sandbox.sdk_config();
    let region = sdk.region().and_then(|region| Region::parse(region.as_ref()));
    let region = region.context("the sandbox has no region")?;
    let connection = Connection::new(sdk, &Arc::default(), delays::AWS_CALLS);
    let queue = Queue::find(&connection, &region, &settings.queue.address).await?;
    let (printed, _) = resume::carry_out(&arguments, &queue).await?;
    Ok(printed)
}

impl Printed {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
