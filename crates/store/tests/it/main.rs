//! The store in a file: the suite of every engine, and what is about the file alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod engine;
// What cannot be opened is a file.
mod files;
// Pages, indexes and bytes of a file.
mod health;
// Steps of SQLite's virtual machine.
mod isolation;
#[path = "../suite/mod.rs"]
mod suite;
// The schema of PostgreSQL has one version.
mod versions;
