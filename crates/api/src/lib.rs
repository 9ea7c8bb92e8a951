//! What programs ask the connector. It reads what is stored and knows no vault: a secret
//! cannot be told here.

pub mod mcp;

mod reach;

pub use reach::Reach;
