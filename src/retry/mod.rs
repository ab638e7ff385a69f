//! The one retry layer: when a failed call to AWS is made again.

pub(crate) mod attempts;
pub(crate) mod breaker;
mod pause;
pub mod backoff;
pub(crate) mod delays;

#[cfg(test)]
mod tests;
