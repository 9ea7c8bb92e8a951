//! The platform through its real listener: refusals first.

mod appsec;
mod credentials;
mod identity;
mod refusals;
mod roles;
mod writes;
