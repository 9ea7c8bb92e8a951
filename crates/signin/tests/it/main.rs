//! The flows against a host that has everything in memory: refusals first.

mod host;

mod entry;
mod factors;
mod links;
mod slow;
