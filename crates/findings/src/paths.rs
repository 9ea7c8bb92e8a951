//! Data paths: how a value gets from where it enters to the flaw. They are asked
//! for finding by finding and are no part of the finding's own record.

use countersign_wire::flaw as wire;
use serde::Serialize;

use crate::error::Undecodable;

/// One way from a source to a flaw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DataPath {
    /// Uploaded artefact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The call that is the flaw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Path of the file of that call within the artefact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line of that call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<i64>,
    /// The calls on the way, in the order in which data passes: the flaw last.
    pub steps: Vec<Step>,
}

/// One call on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The function that calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// File with its folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<i64>,
}

impl DataPath {
    /// Reads the answer of `static_flaw_info`.
    pub fn decode(raw: &str) -> Result<Vec<Self>, Undecodable> {
        let read: wire::StaticFlawInfo = serde_json::from_str(raw).map_err(Undecodable::new)?;
        Ok(read.data_paths.into_iter().map(path).collect())
    }
}

fn path(read: wire::DataPath) -> DataPath {
    let steps = read.calls.into_iter().rev().map(|call| Step {
        function: call.function_name,
        file: call.file_path.or(call.file_name),
        line: call.line_number,
    });
    DataPath {
        module: read.module_name,
        function: read.function_name,
        file: read.local_path,
        line: read.line_number,
        steps: steps.collect(),
    }
}
