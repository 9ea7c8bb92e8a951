//! The platform through its real listener: refusals first.

mod appsec;
mod credentials;
mod refusals;
mod roles;
