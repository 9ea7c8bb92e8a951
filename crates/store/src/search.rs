//! Filters as SQL with bound values, and the way to the rows that they leave.
//!
//! Conditions name columns that findings, `tallies` and `counts` share, so that the
//! same condition can be asked of whichever holds the answer in the fewest rows.

mod arrivals;
pub(crate) mod condition;
pub(crate) mod counted;
pub(crate) mod own;
pub(crate) mod plan;
pub(crate) mod planner;
mod walk;
