//! The one retry layer: when a failed call to AWS is made again. May use [`crate::aws`] and what
//! lies below.
//!
//! - `attempts`: a series of attempts at one operation, and the right to make one;
//! - `breaker`, `pause`: what is known of each operation; one that keeps failing is paused;
//! - `patience`: retries of a command that a person waits for;
//! - [`backoff`]: doubling intervals and jitter;
//! - [`delays`]: every delay and time limit of the program, with its reason.

pub(crate) mod attempts;
pub(crate) mod breaker;
mod pause;
pub(crate) mod patience;
pub mod backoff;
pub mod delays;

#[cfg(test)]
mod tests;
