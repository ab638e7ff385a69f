//! The one retry layer: when a failed call to AWS is made again.

pub mod backoff;
pub mod breaker;
pub mod attempts;
