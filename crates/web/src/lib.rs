//! What every HTTP face of ours needs once: the listener with its bounds, security
//! headers, cookies, form tokens, query strings. It knows neither SQL nor any rule of
//! its hosts.

mod blocking;
pub mod body;
pub mod cookie;
pub mod form;
pub mod guest;
pub mod headers;
pub mod health;
mod limits;
mod listen;
pub mod moment;
mod names;
pub mod origin;
pub mod page;
pub mod picture;
mod places;
mod progress;
pub mod query;
mod serve;
#[cfg(unix)]
mod socket;
#[cfg(unix)]
mod socket_file;
pub mod tls;
pub mod tries;

pub use axum::body::Body;
pub use blocking::blocking;
pub use limits::Limits;
pub use listen::{Address, Bound, ListenError, Listener};
pub use names::{Names, Site, host_of, public_origin};
pub use serve::{Host, Unsent, Watch, serve};
