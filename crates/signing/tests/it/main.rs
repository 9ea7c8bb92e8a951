//! The published and derived vectors, and the properties they are samples of.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fuzz;
mod properties;
mod refusals;
mod vectors;
