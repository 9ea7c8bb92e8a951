//! One suite for every vault, and what is peculiar to each.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[macro_use]
mod suite;

mod command;
mod file;
mod fuzz;
#[cfg(all(feature = "keyring", target_os = "linux"))]
mod keyring;
mod kv;
mod kv_path;
mod kv_server;
mod openbao;
mod proof;
