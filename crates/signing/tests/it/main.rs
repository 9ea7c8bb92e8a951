//! The published and derived vectors, and the properties they are samples of.

mod properties;
mod refusals;
mod vectors;
