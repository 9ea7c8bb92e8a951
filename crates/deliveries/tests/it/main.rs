//! Receivers against what their vendors describe, and the machine against everything that can
//! go wrong between it and them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod code_scanning;
mod decide;
mod defectdojo;
mod door;
mod fake;
mod gate;
mod github;
mod github_double;
mod github_issues;
mod group;
mod http;
mod invented;
mod jira;
mod lake;
mod machine;
mod mail;
mod markdown;
mod markup;
mod redmine;
mod render;
mod rows;
mod sample;
mod simulation;
mod slack;
mod syslog;
mod tcp;
mod teams;
mod tickets;
mod tracker;
mod webhook;
mod world;
