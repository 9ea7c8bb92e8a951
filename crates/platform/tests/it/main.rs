//! The platform through its real listener: refusals first.

mod administration;
mod appsec;
mod browser;
mod console;
mod control;
mod credentials;
mod doors;
mod facts;
mod faults;
mod fuzz;
mod hostile;
mod identity;
mod import;
mod log;
mod mailbox;
mod neighbours;
mod oauth;
mod refusals;
mod reports;
mod roles;
#[cfg(unix)]
mod silence;
mod strangers;
mod visibility;
mod writes;
