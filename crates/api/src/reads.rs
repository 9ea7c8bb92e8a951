//! The reads: applications, findings and scans of the integration of the token, from what is
//! stored.

mod applications;
mod asked;
mod cursor;
mod filter;
mod findings;
mod live;
mod page;
mod rendered;
mod scans;

pub(crate) use applications::applications;
pub(crate) use asked::Asked;
pub(crate) use filter::{
    APPLICATION_FIELDS, FINDING_FIELDS, Holds, SEVERITIES, STATUSES, operators,
};
pub(crate) use findings::{application_findings, details, findings, write as write_finding};
pub(crate) use live::Source;
pub use live::{ReadNow, Reading};
pub(crate) use page::{Batches, Tail, page};
pub(crate) use rendered::Rendered;
pub(crate) use scans::scans;
