//! How text that did not come from us is read and shown: on a line, as prose, in HTML, in JSON.
//! A character that has no shape of its own, or that moves or turns others, is replaced
//! by its number, `<U+202E>`; a text that is too long is cut, and says by how much.
//! Nothing is ever dropped in silence, so that two texts that differ look different.

pub mod foreign;
pub mod html;
pub mod json;
mod odd;
pub mod openmetrics;
mod shown;
mod span;

pub use odd::is_odd;
pub use shown::{
    Document, File, Line, Prose, cut, document, file, grouped, line, prose, say_missing,
};
pub use span::span;
