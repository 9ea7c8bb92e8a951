//! What goes wrong in a rehearsal, drawn from a seed.

use serde_json::{Value, json};

use crate::failure::Failure;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    AnswerLost,
    ErrorAfter,
    AnswerCut,
    Timeout,
    CarriedOutLate,
    RefusedOnce,
    Silence,
    VaultFails,
    DiskFull,
    ClockJump,
    TwoRotators,
    KillAtStep,
    KillAtRandom,
}

impl Kind {
    pub(crate) const ALL: [(&'static str, Self, &'static str); 13] = [
        ("answer-lost", Self::AnswerLost, "the credentials are issued, and the connection breaks"),
        ("error-after", Self::ErrorAfter, "the credentials are issued, and the answer is a 500"),
        (
            "answer-cut",
            Self::AnswerCut,
            "the credentials are issued, and half of the answer arrives",
        ),
        (
            "timeout",
            Self::Timeout,
            "the credentials are issued, and the answer does not arrive in time",
        ),
        (
            "carried-out-late",
            Self::CarriedOutLate,
            "the credentials are issued after the request was given up",
        ),
        ("refused-once", Self::RefusedOnce, "the service is busy when it is asked"),
        ("silence", Self::Silence, "which credentials are active cannot be read a few times"),
        ("vault-fails", Self::VaultFails, "the vault refuses writes"),
        ("disk-full", Self::DiskFull, "the operating system refuses writes past a size"),
        ("clock-jump", Self::ClockJump, "the clock jumps in the middle"),
        ("two-rotators", Self::TwoRotators, "another machine takes over"),
        ("kill-at-step", Self::KillAtStep, "kill -9 at a step"),
        ("kill-at-random", Self::KillAtRandom, "kill -9 at any moment"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind, _)| *kind == self).map_or("", |(name, ..)| name)
    }

    pub(crate) fn chosen(names: &[String]) -> Result<Vec<Self>, Failure> {
        if names.iter().any(|name| name == "all") {
            return Ok(Self::ALL.iter().map(|(_, kind, _)| *kind).collect());
        }
        let wanted = names.iter().filter(|name| *name != "none");
        wanted
            .map(|wanted| {
                let found = Self::ALL.iter().find(|(name, ..)| name == wanted);
                found.map(|(_, kind, _)| *kind).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|(name, ..)| *name).collect();
                    Failure::usage(format!(
                        "nothing is called `{wanted}`\nhint: all, none, or some of {}",
                        known.join(", ")
                    ))
                })
            })
            .collect()
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Misfortune {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
}

const MINTS: &str = "/api/authn/v2/api_credentials*";

impl Misfortune {
    /// The rule of the platform's faults, where it is one.
    pub(crate) fn rule(&self, at: usize) -> Option<Value> {
        let (method, times, act) = match self.kind {
            Kind::AnswerLost => {
                ("POST", 1 + self.number % 2, json!({"kind": "reset", "when": "after"}))
            }
            Kind::ErrorAfter => {
                let act = json!({"kind": "status", "status": 500, "when": "after"});
                ("POST", 1 + self.number % 2, act)
            }
            Kind::AnswerCut => {
                ("POST", 1, json!({"kind": "truncate", "bytes": 10 + self.number % 200}))
            }
            Kind::Timeout => {
                ("POST", 1, json!({"kind": "stall", "bytes": self.number % 200, "ms": 5_000}))
            }
            Kind::CarriedOutLate => {
                ("POST", 1, json!({"kind": "delay", "ms": 450 + self.number % 300}))
            }
            Kind::RefusedOnce => {
                ("POST", 1, json!({"kind": "status", "status": 503, "when": "before"}))
            }
            Kind::Silence => {
                ("GET", 1 + self.number % 4, json!({"kind": "reset", "when": "before"}))
            }
            _ => return None,
        };
        let matches = json!({ "method": method, "path": MINTS, "times": times });
        Some(json!({ "name": format!("{}-{at}", self.kind.name()), "match": matches, "act": act }))
    }

    /// Arguments of the process, where it is one in there.
    pub(crate) fn arguments(&self) -> Vec<String> {
        match self.kind {
            Kind::VaultFails => {
                // Few are tried again, many are as good as a lost answer.
                let fails = [1, 2, 4, 9][self.number as usize % 4];
                vec!["--vault-fails".into(), fails.to_string()]
            }
            Kind::ClockJump => {
                const JUMPS_MS: [i64; 6] =
                    [-86_400_000, -600_000, -2_000, 2_000, 600_000, 34_560_000_000];
                let jump_ms = JUMPS_MS[self.number as usize % JUMPS_MS.len()];
                vec!["--clock-jump-ms".into(), jump_ms.to_string()]
            }
            Kind::KillAtStep => vec!["--die-at".into(), (1 + self.number % 12).to_string()],
            _ => Vec::new(),
        }
    }
}

/// The same numbers for the same seed (SplitMix64).
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let n = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (n ^ (n >> 31)) >> 1
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// None to three at once.
    pub(crate) fn misfortunes(&mut self, kinds: &[Kind]) -> Vec<Misfortune> {
        let mut drawn: Vec<Misfortune> = Vec::new();
        if kinds.is_empty() {
            return drawn;
        }
        for _ in 0..[0, 1, 1, 1, 2, 2, 3, 3][self.below(8) as usize] {
            let kind = kinds[self.below(kinds.len() as u64) as usize];
            let number = self.next();
            if drawn.iter().all(|one| one.kind != kind) {
                drawn.push(Misfortune { kind, number });
            }
        }
        drawn
    }
}
