//! The real binary, and the shape of the workspace around it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arrows;
mod controls;
mod crash;
mod exits;
mod http;
mod program;
mod quickstart;
mod secrets;
mod watch;
