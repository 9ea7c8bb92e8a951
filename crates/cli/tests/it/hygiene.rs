//! That live secrets are where they must be, and nowhere else: not in what types and
//! panics show, not in core files, and in no file, log, body or process of a life with
//! everything in it.

mod cores;
#[cfg(target_os = "linux")]
mod everywhere;
#[cfg(target_os = "linux")]
pub(crate) mod life;
pub(crate) mod needles;
mod shown;
mod sources;
