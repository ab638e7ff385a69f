//! Receipt handles: a new one for every receive of a message.

use crate::sandbox::answer::Failure;

const PREFIX: &str = "AQEB";
/// The length of a UUID, which message ids are.
const ID: usize = 36;

/// What a handle stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Receipt<'a> {
    pub(in crate::sandbox) message_id: &'a str,
    /// The receive that handed it out.
    pub(super) receive: u32,
}

impl<'a> Receipt<'a> {
    pub(in crate::sandbox) fn parse(handle: &'a str) -> Result<Self, Failure> {
        let parts = handle.strip_prefix(PREFIX).and_then(|rest| rest.split_at_checked(ID));
        let receipt = parts.and_then(|(message_id, receive)| {
            Some(Self { message_id, receive: u32::from_str_radix(receive, 16).ok()? })
        });
        let message =
            || format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        receipt.ok_or_else(|| Failure::refused("ReceiptHandleIsInvalid", message()))
    }
}

pub(super) fn handle(message_id: &str, receive: u32) -> String {
    format!("{PREFIX}{message_id}{receive:08x}")
}
