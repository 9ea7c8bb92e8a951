//! Closed sets of words, spelled as on the wire and in the database.

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$one:meta])* $member:ident = $word:literal),+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$one])* $member),+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$member),+];
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// None for a word that is not one of them.
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$member),)+
                    _ => None,
                }
            }

            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$member => $word),+
                }
            }
        }
    };
}
pub(crate) use words;

words!(
    /// What finds a finding.
    ScanType { Static = "STATIC", Dynamic = "DYNAMIC", Manual = "MANUAL", Sca = "SCA" }
);

words!(
    /// How components are found, and both ways.
    ScanMode { Upload = "UPLOAD", Agent = "AGENT", Both = "BOTH" }
);

words!(
    /// How components are needed, and any way.
    DependencyMode {
        Unknown = "UNKNOWN",
        Direct = "DIRECT",
        Transitive = "TRANSITIVE",
        Both = "BOTH"
    }
);

words!(FindingStatus { Open = "OPEN", Closed = "CLOSED" });

words!(
    /// How a mitigation stands.
    Resolution {
        None = "NONE",
        Proposed = "PROPOSED",
        Approved = "APPROVED",
        Rejected = "REJECTED"
    }
);

words!(
    /// How an application stands against its policy.
    Compliance {
        Determining = "DETERMINING",
        NotAssessed = "NOT_ASSESSED",
        DidNotPass = "DID_NOT_PASS",
        ConditionalPass = "CONDITIONAL_PASS",
        VendorReview = "VENDOR_REVIEW",
        Passed = "PASSED"
    }
);

words!(
    /// How much depends on an application.
    Criticality {
        VeryHigh = "VERY_HIGH",
        High = "HIGH",
        Medium = "MEDIUM",
        Low = "LOW",
        VeryLow = "VERY_LOW"
    }
);
