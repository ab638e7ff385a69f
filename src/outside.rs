//! Runs the daemon where others can see how it is.

use std::convert::Infallible;
use std::sync::Arc;

use aws_config::SdkConfig;

use crate::admin::Admin;
use crate::daemon::{self, Drained, Error, Surroundings};
use crate::health::Health;
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::systemd;

/// Runs as [`daemon::run_in`] does, with the admin port open and systemd told from before the first
/// contact with the queue to the end of the drain.
///
/// # Errors
/// Those of [`daemon::run_in`], and a port that cannot be had.
pub async fn run(
    surroundings: Surroundings,
    settings: Settings,
    sdk: SdkConfig,
    shutdown: Shutdown,
) -> Result<Drained, Error> {
    let health = Arc::clone(&surroundings.health);
    let admin = Admin::open(settings.admin_listen).await?;
    let told = systemd::tell(Arc::clone(&health), shutdown.drain.clone());
    let daemon = Box::pin(daemon::run_in(surroundings, settings, sdk, shutdown));
    tokio::select! {
        biased;
        never = told => match never {},
        never = answer(admin, health) => match never {},
        drained = daemon => drained,
    }
}

async fn answer(admin: Option<Admin>, health: Arc<Health>) -> Infallible {
    match admin {
        Some(admin) => admin.serve(health).await,
        None => std::future::pending().await,
    }
}
