//! The store in a PostgreSQL database: the same suite as for a file, and what is about the server.
//!
//! Left out, for they are about a file: how it is opened and copied (`it/files`), damage of its
//! pages (`it/health`), steps of SQLite's virtual machine (`it/isolation`), and older versions of
//! its schema (`it/versions`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod engine;
mod failover;
mod server;
#[path = "../suite/mod.rs"]
mod suite;
mod writers;
