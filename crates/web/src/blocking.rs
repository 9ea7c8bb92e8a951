//! Work that waits for a disk, off the threads that answer.

use std::any::Any;

use tokio::task::{JoinError, spawn_blocking};

type Answer = Box<dyn Any + Send>;

/// Runs `act` on a thread that may block. What goes through the runtime has one type: its
/// task is compiled once, and not for each of the hundreds of acts of a face.
///
/// # Errors
///
/// If `act` panics, or the runtime ends before it begins.
pub async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    let act: Box<dyn FnOnce() -> Answer + Send> = Box::new(move || Box::new(act()));
    let answer = spawn_blocking(act).await?;
    Ok(*answer.downcast().expect("an act answers with its own type"))
}
