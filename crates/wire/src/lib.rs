//! The JSON bodies of the Veracode REST APIs, for both ends of the wire.
//!
//! A server writes these types and a client reads them. Writing keeps the
//! recorded key order; Applications write `null` where nothing is known,
//! Findings leave the key out. Reading treats every key but the identifying one
//! as optional, ignores unknown keys and takes absent and `null` alike.
//!
//! No rules live here: what a status means, or whether a role is known, is for
//! the crates above.

pub mod annotation;
pub mod application;
pub mod collection;
pub mod credential;
pub mod error;
pub mod finding;
pub mod flaw;
pub mod hal;
pub mod identity;
pub mod policy;
pub mod raw;
pub mod readable;
pub mod report;
pub mod sandbox;
pub mod summary;
pub mod weakness;

mod lenient;
