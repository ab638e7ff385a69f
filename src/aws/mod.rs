//! The only modules that know the AWS SDK.

mod calls;
pub mod connection;
pub mod date;
mod deadline;
pub mod ec2;
pub mod entries;
pub mod error;
pub mod imds;
pub mod operation;
pub mod probe;
pub mod sdk;
pub mod sns;
pub mod sqs;
pub mod sts;
