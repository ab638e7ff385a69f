//! Calls to AWS: the only folder that names types of the AWS SDK.
//!
//! A `connection` says how AWS is reached; `sqs`, `ec2`, `sns`, `sts` and `imds` each
//! have a client that is made from it. Every call goes through `calls`, which limits its time and
//! counts it, and fails with an `error` that says what the failure means; below the SDK it goes
//! through `http`, which reads the answer to its end. Nothing is retried here.
//! May use [`crate::settings`] and what lies below.

pub(crate) mod connection;
mod layer;
mod unreached;
mod headers;
mod http;
mod calls;
pub(crate) mod operation;
pub(crate) mod error;
pub(crate) mod entries;
pub(crate) mod sqs;
pub(crate) mod ec2;
pub(crate) mod deadline;
mod date;
mod sent;
pub(crate) mod sns;
pub(crate) mod sts;
pub(crate) mod role;
pub(crate) mod watch;
pub(crate) mod imds;
pub mod sdk;
