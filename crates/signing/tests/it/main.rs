//! The published and derived vectors, and the properties they are samples of.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod properties;
mod refusals;
mod vectors;
