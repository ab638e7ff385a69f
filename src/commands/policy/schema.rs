//! `policy schema`: prints what policies can read and name.

use crate::cli::output;
use crate::cli::policies::SchemaArguments;
use crate::commands::ended::Ended;
use crate::commands::loading::Loading;

/// Prints the schema.
///
/// # Errors
/// Settings that cannot work.
pub(super) fn run(arguments: &SchemaArguments) -> Result<u8, Ended> {
    let SchemaArguments { config, account } = arguments;
    output::print(Loading::of_settings(config.as_deref(), account.as_ref())?.schema())?;
    Ok(0)
}
