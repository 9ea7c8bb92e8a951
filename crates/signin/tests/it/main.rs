//! The flows against a host that has everything in memory: refusals first.

mod fuzz;
mod host;

mod entry;
mod factors;
mod links;
mod slow;
