//! What is wrong, and what to do about it: one cause and one fix for each trouble. What
//! needs the configuration, the environment or a clock is given by the program.

mod addresses;
mod integration;
mod local;
mod network;
mod reach;
mod refused;
mod syncs;
mod trouble;

pub use integration::{integration, refused};
pub use local::{
    Sealed, are_mendable, broken_store, damaged_store, exposed, mend, pairs_of_other_tools, room,
    unreadable_records, vault_elsewhere,
};
pub use reach::{Probes, Reach};
pub use syncs::syncs;
pub use trouble::{Diagnosis, State, Trouble, cause_and_fix};

/// Text from elsewhere, on a line of ours.
fn printable(text: &str) -> String {
    countersign_text::line(text).to_string()
}
