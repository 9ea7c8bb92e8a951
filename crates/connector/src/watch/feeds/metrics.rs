//! Gauges of credentials, for the textfile collector of the node exporter and for whoever asks
//! the program itself. Times are Unix times: a file that nobody wrote for a week does not say
//! that there is a week more.

use countersign_store::LastCheck;
use countersign_text::openmetrics::{Exposition, Kind, Samples};

use super::super::{Row, State};

/// A family of what is known of credentials and of their monitoring. All are gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialGauge {
    /// When it expires.
    Expires,
    /// Since when it signs.
    Published,
    /// When the service was asked.
    Checked,
    /// When it signed last.
    Used,
    /// How the clocks differ.
    ClockSkew,
    /// What its account lacks.
    RolesMissing,
    /// Whether somebody else's is active.
    ForeignId,
    /// How it is.
    InState,
    /// When the file was written; in the file alone.
    Run,
    /// What no channel accepted yet.
    Undelivered,
    /// What the check of the store found.
    StoreProblems,
    /// When that was.
    StoreChecked,
}

/// The labels of one number for each credential.
const OF_A_CREDENTIAL: &[&str] = &["name", "host", "kind", "purpose"];

impl CredentialGauge {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 12] = [
        Self::Expires,
        Self::Published,
        Self::Checked,
        Self::Used,
        Self::ClockSkew,
        Self::RolesMissing,
        Self::ForeignId,
        Self::InState,
        Self::Run,
        Self::Undelivered,
        Self::StoreProblems,
        Self::StoreChecked,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expires => "countersign_credential_expires_seconds",
            Self::Published => "countersign_credential_published_seconds",
            Self::Checked => "countersign_credential_checked_seconds",
            Self::Used => "countersign_credential_used_seconds",
            Self::ClockSkew => "countersign_credential_clock_skew_seconds",
            Self::RolesMissing => "countersign_credential_roles_missing",
            Self::ForeignId => "countersign_credential_foreign_id",
            Self::InState => "countersign_credential_state",
            Self::Run => "countersign_watch_run_seconds",
            Self::Undelivered => "countersign_watch_undelivered",
            Self::StoreProblems => "countersign_store_problems",
            Self::StoreChecked => "countersign_store_checked_seconds",
        }
    }

    /// The labels of its samples.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::InState => &["name", "host", "kind", "purpose", "state"],
            Self::Run | Self::Undelivered | Self::StoreProblems | Self::StoreChecked => &[],
            _ => OF_A_CREDENTIAL,
        }
    }

    /// What it means.
    pub fn help(self) -> &'static str {
        match self {
            Self::Expires => "When the credential expires, as Unix time",
            Self::Published => "Since when it signs, as Unix time",
            Self::Checked => "When the service was last asked, as Unix time",
            Self::Used => "When it was last used from here, as Unix time",
            Self::ClockSkew => "How far the clock of the service is ahead",
            Self::RolesMissing => "Permissions that its account lacks",
            Self::ForeignId => "Whether an unknown API ID is active",
            Self::InState => "How it is: 1 at its state, 0 at others",
            Self::Run => "When this was written, as Unix time",
            Self::Undelivered => "Messages that no channel has accepted yet",
            Self::StoreProblems => "What the last check of the store found damaged",
            Self::StoreChecked => "When the store was last checked, as Unix time",
        }
    }

    /// Whether `serve` answers with it, too.
    pub fn is_served(self) -> bool {
        self != Self::Run
    }

    /// Of one credential; none where it is not known.
    fn of(self, row: &Row) -> Option<String> {
        let seconds = |ms: Option<i64>| ms.map(|ms| ms.div_euclid(1000).to_string());
        match self {
            Self::Expires => seconds(row.expires_ms),
            Self::Published => seconds(Some(row.published_ms)),
            Self::Checked => seconds(row.checked_ms),
            Self::Used => seconds(row.used_ms),
            Self::ClockSkew => row.skew_ms.map(|ms| format!("{}.{:03}", sign(ms), ms.abs() % 1000)),
            Self::RolesMissing => Some(row.missing().len().to_string()),
            Self::ForeignId => Some(u8::from(row.foreign_id.is_some()).to_string()),
            _ => None,
        }
    }

    fn begin(self, text: &mut Exposition) -> Samples<'_> {
        text.family(self.name(), Kind::Gauge, self.help())
    }
}

/// The whole file. `undelivered` is how many messages are still on their way.
pub(super) fn render(
    rows: &[Row],
    undelivered: usize,
    last: Option<&LastCheck>,
    now_ms: i64,
) -> String {
    let mut text = Exposition::default();
    put_credentials(&mut text, rows);
    CredentialGauge::Run.begin(&mut text).put(&[], now_ms.div_euclid(1000));
    put_watch(&mut text, undelivered, last);
    text.end()
}

/// Of each credential; `InState` in a sample for each state that there is.
pub(crate) fn put_credentials(text: &mut Exposition, rows: &[Row]) {
    let of_each = |gauge: &CredentialGauge| gauge.labels() == OF_A_CREDENTIAL;
    for gauge in CredentialGauge::ALL.into_iter().filter(of_each) {
        let mut samples = gauge.begin(text);
        for row in rows {
            if let Some(value) = gauge.of(row) {
                samples.put(&labels(row), value);
            }
        }
    }
    let mut samples = CredentialGauge::InState.begin(text);
    for row in rows {
        for state in State::ALL {
            let of_state = [("state", state.as_str())];
            let labels = [labels(row).as_slice(), of_state.as_slice()].concat();
            samples.put(&labels, u8::from(row.state == state));
        }
    }
}

/// What the watch could not say yet, and what it found in the store.
pub(crate) fn put_watch(text: &mut Exposition, undelivered: usize, last: Option<&LastCheck>) {
    CredentialGauge::Undelivered.begin(text).put(&[], undelivered);
    if let Some(last) = last {
        CredentialGauge::StoreProblems.begin(text).put(&[], last.problems);
        CredentialGauge::StoreChecked.begin(text).put(&[], last.at_ms.div_euclid(1000));
    }
}

/// Whole seconds with their sign, which `-0` has too.
fn sign(ms: i64) -> String {
    format!("{}{}", if ms < 0 { "-" } else { "" }, ms.abs() / 1000)
}

fn labels(row: &Row) -> [(&str, &str); 4] {
    [
        ("name", &row.name),
        ("host", &row.host),
        ("kind", row.kind.as_str()),
        ("purpose", row.purpose.as_str()),
    ]
}
