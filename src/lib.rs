//! Placeholder while the dependencies compile.

#[cfg(feature = "sandbox")]
pub mod sandbox;
