//! Receipt handles. Every receive of a message makes a new one.

use crate::sandbox::answer::Failure;

const PREFIX: &str = "AQEB";
/// The length of a message id, which is a UUID.
const ID: usize = 36;

/// The content of a receipt handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Receipt<'a> {
    pub(in crate::sandbox) message_id: &'a str,
    /// Which receive of the message made it: 1 for the first.
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
