//! The connector's face.
