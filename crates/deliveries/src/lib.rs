//! From the change feed to where people work: tickets that are made once, closed when their
//! findings are fixed and opened when they are back; messages; events; files.
//!
//! [`decide`] says what is to be done, from values alone. [`plan`] brings the change feed into
//! the ledger: every send is written down there before it is made. [`machine`] hands it to a
//! [`receiver`] and writes down how it ended. A receiver makes requests and judges answers, in
//! one file each under `receivers`.
//!
//! No web framework, no SQL, no clock of its own.

pub mod acts;
pub mod decide;
pub mod destination;
pub mod digest;
pub mod doc;
pub mod gate;
pub mod group;
pub mod http;
pub mod machine;
pub mod markup;
pub mod plan;
pub mod receiver;
pub mod receivers;
pub mod render;
pub mod s3;
pub mod ticket;
pub mod webhooks;
pub mod wire;

mod shorten;
