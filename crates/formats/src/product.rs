//! The product that reported a finding: of one that was imported the scanner that its
//! record names in the member `source`, of any other Veracode.

use std::borrow::Cow;

use crate::members::Members;

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Product<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) vendor_name: Option<Cow<'a, str>>,
    pub(crate) version: Option<Cow<'a, str>>,
    pub(crate) is_imported: bool,
}

impl<'a> Product<'a> {
    pub(crate) const VERACODE: Self = Self {
        name: Cow::Borrowed("Veracode"),
        vendor_name: Some(Cow::Borrowed("Veracode")),
        version: None,
        is_imported: false,
    };

    /// That of a record as the store has it.
    pub(crate) fn of(raw: &'a str) -> Self {
        Self::of_source(&Members::of(raw).unwrap_or_default().object("source"))
    }

    /// That of the member `source` of a record. OCSF wants a name: without one it is the
    /// vendor's, and `Unknown` where there is none either, since it is not Veracode's.
    pub(crate) fn of_source(source: &Members<'a>) -> Self {
        let Some(product) = source.raw("product").and_then(|raw| Members::of(raw.get())) else {
            return Self::VERACODE;
        };
        let vendor_name = product.full_text("vendor_name");
        Self {
            name: product
                .full_text("name")
                .or_else(|| vendor_name.clone())
                .unwrap_or(Cow::Borrowed("Unknown")),
            vendor_name,
            version: product.full_text("version"),
            is_imported: true,
        }
    }

    pub(crate) fn into_owned(self) -> Product<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let Self { name, vendor_name, version, is_imported } = self;
        Product {
            name: owned(name),
            vendor_name: vendor_name.map(owned),
            version: version.map(owned),
            is_imported,
        }
    }

    /// Whom a finding is owed to: the vendor, or else the product.
    pub(crate) fn vendor(&self) -> Cow<'a, str> {
        self.vendor_name.as_ref().unwrap_or(&self.name).clone()
    }
}
