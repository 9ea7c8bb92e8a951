//! The real binary, and the shape of the workspace around it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod advice;
mod agree;
mod arrows;
mod changing;
mod claims;
mod codes;
mod collected;
mod controls;
mod crash;
mod deliver;
mod demo;
mod doctor;
mod documents;
mod elsewhere;
mod exits;
mod export;
#[cfg(all(unix, feature = "postgres"))]
#[path = "../../../testkit/src/failover.rs"]
#[expect(unreachable_pub, reason = "other crates use it from outside")]
mod failover;
mod forms;
mod gallery;
mod handover;
mod health;
mod hostile;
mod http;
mod hygiene;
mod imports;
#[cfg(unix)]
mod interrupted;
#[path = "../../../vault/tests/it/kv_server.rs"]
#[expect(dead_code, reason = "the tests of the vault use all of it")]
mod kv_server;
mod lists;
mod mcp;
mod mistakes;
mod operation;
mod own;
#[cfg(all(unix, feature = "postgres"))]
#[path = "../../../testkit/src/postgres.rs"]
#[expect(unreachable_pub, reason = "other crates use it from outside")]
mod postgres;
mod printers;
mod program;
mod proxy;
mod quickstart;
mod rehearse;
mod rotation;
mod schedule;
mod secretless;
mod secrets;
mod serve;
mod store;
#[cfg(target_os = "linux")]
mod strangers;
mod upgrade;
mod vault;
mod watch;
mod whose;
mod words;
mod workers;
