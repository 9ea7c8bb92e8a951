//! The HAL envelope that every list shares.

use serde::{Deserialize, Serialize};

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Link {
    /// Absolute URL, or a URI template when `templated`.
    pub href: String,
    /// Present and true on URI templates only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub templated: bool,
}

impl Link {
    /// A plain URL.
    pub fn to(href: impl Into<String>) -> Self {
        Self { href: href.into(), templated: false }
    }

    /// A URI template.
    pub fn template(href: impl Into<String>) -> Self {
        Self { href: href.into(), templated: true }
    }
}

/// The links of a list page, in the recorded order. `first`, `next`, `prev` and
/// `last` appear only when there is more than one page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Links {
    /// First page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Link>,
    /// Page before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Link>,
    /// The list as a URI template, without paging.
    #[serde(default, rename = "self", skip_serializing_if = "Option::is_none")]
    pub this: Option<Link>,
    /// Page after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Link>,
    /// Last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Link>,
    /// The application that the findings belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<Link>,
    /// The sandbox that the findings belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Link>,
    /// The same question for SCA findings, on an answer of the other types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sca: Option<Link>,
    /// The same question for the other types, on an answer of SCA findings.
    #[serde(default, rename = "non-sca", skip_serializing_if = "Option::is_none")]
    pub non_sca: Option<Link>,
}

/// Where a page stands in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Page {
    /// Elements on a full page.
    pub size: u64,
    /// Elements on all pages.
    pub total_elements: u64,
    /// Pages; 0 when there are no elements.
    pub total_pages: u64,
    /// This page, from 0.
    pub number: u64,
}

impl Page {
    /// The page `number` of a list of `total_elements`.
    pub fn new(number: u64, size: u64, total_elements: u64) -> Self {
        Self { size, total_elements, total_pages: total_elements.div_ceil(size.max(1)), number }
    }
}

/// A truth value in a query string: real clients send `true`, `TRUE`, `True`,
/// `Yes` and `1`.
pub fn parse_truth(text: &str) -> Option<bool> {
    crate::lenient::parse_truth(text)
}
