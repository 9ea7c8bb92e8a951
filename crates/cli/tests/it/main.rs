//! The real binary, and the shape of the workspace around it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arrows;
mod controls;
mod crash;
mod doctor;
mod exits;
mod forms;
mod http;
mod hygiene;
mod program;
mod proxy;
mod quickstart;
mod secrets;
mod vault;
mod watch;
