#![doc = include_str!("../README.md")]

mod canonical;
mod error;
mod header;
mod key;
mod pair;
mod region;
mod window;

pub use canonical::{Request, split_url};
pub use error::Error;
pub use header::{Authorization, MAX_HEADER_BYTES, SCHEME};
pub use key::{Signer, SigningKey};
pub use pair::{ApiId, ApiSecret, OAuthClient, Pair};
pub use region::Region;
pub use window::Window;
