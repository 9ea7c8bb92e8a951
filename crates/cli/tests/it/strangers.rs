//! Another user of the machine, a real one: what there is to be had of a running platform,
//! dashboard and broker and of what they leave on disk, and what comes of links and files
//! that were planted where we write or read.
//!
//! Only root becomes somebody else. For others these tests say so and are skipped, but
//! never where `CI` is set.

mod planted;
mod running;
mod stage;
