//! The real binary, and the shape of the workspace around it.

mod arrows;
