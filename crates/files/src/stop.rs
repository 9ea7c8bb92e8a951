//! For tests: lets so many steps of writing happen on this thread, and none after them.
//! What is on disk then is what a process leaves that is killed there.

use std::cell::Cell;

thread_local! {
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Runs `act`, which stops after `steps` steps.
pub fn after<T>(steps: u32, act: impl FnOnce() -> T) -> T {
    LEFT.set(Some(steps));
    let outcome = act();
    LEFT.set(None);
    outcome
}

/// Whether writing goes on; what is not undone by a process that was killed is asked too.
pub(crate) fn is_stopped() -> bool {
    LEFT.get() == Some(0)
}

pub(crate) fn step() -> std::io::Result<()> {
    match LEFT.get() {
        None => Ok(()),
        Some(0) => Err(std::io::Error::other("stopped by the test")),
        Some(left) => {
            LEFT.set(Some(left - 1));
            Ok(())
        }
    }
}
