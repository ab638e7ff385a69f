//! Reads ids on the command line.

use crate::domain::ids::{Account, InstanceId, Region};

/// Reads an instance id.
///
/// # Errors
/// Says what would be right.
pub(super) fn instance(text: &str) -> Result<InstanceId, String> {
    InstanceId::parse(text).ok_or_else(|| "give an id such as i-0123456789abcdef0".to_owned())
}

/// Reads an account.
///
/// # Errors
/// Says what would be right.
pub(super) fn account(text: &str) -> Result<Account, String> {
    Account::parse(text).ok_or_else(|| "give 12 digits".to_owned())
}

/// Reads a region.
///
/// # Errors
/// Says what would be right.
pub(super) fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).ok_or_else(|| "give a region such as eu-central-1".to_owned())
}
