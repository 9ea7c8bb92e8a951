//! The product that reported a finding: of one that was imported the scanner that its
//! record names in the member `source`, of any other Veracode.

use std::borrow::Cow;

use crate::members::Members;

/// What is known of it.
pub(crate) struct Product<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) is_imported: bool,
}

impl<'a> Product<'a> {
    const VERACODE: Self = Self { name: Cow::Borrowed("Veracode"), is_imported: false };

    /// That of a record as the store has it.
    pub(crate) fn of(raw: &'a str) -> Self {
        Self::of_source(&Members::of(raw).unwrap_or_default().object("source"))
    }

    /// That of the member `source` of a record. OCSF wants a name: without one it is the
    /// vendor's, and `Unknown` where there is none either, since it is not Veracode's.
    fn of_source(source: &Members<'a>) -> Self {
        let Some(product) = source.raw("product").and_then(|raw| Members::of(raw.get())) else {
            return Self::VERACODE;
        };
        Self {
            name: product
                .full_text("name")
                .or_else(|| product.full_text("vendor_name"))
                .unwrap_or(Cow::Borrowed("Unknown")),
            is_imported: true,
        }
    }
}
