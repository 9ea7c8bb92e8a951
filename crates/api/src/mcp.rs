//! The MCP server: tools by which an assistant asks what is stored. Read-only by
//! construction: a tool gets the store to read, a clock and what its caller reaches; there
//! is no vault, no client and no tool that changes anything.
//!
//! [`stdio`](serve) serves one caller on two streams, [`http()`] many, each within the
//! [`Reach`] that the layer before it put into the extensions of the request.

mod answer;
mod applications;
mod changes;
mod credentials;
mod findings;
mod fix;
mod input;
mod server;
mod tools;

pub use server::{Error, Http, Server, http, serve};
pub use tools::{Reads, Tools};

#[cfg(doc)]
use crate::Reach;
