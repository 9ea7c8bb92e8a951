//! Link building: absolute, filters kept, `self` as a URI template.

use axum::response::Response;
use countersign_wire::hal::{Link, Links, Page};
use serde::Serialize;

use super::answer::json;
use super::error::Refusal;
use super::query::{PAGING, Parameter, Query, encode};
use countersign_tenant::list::Window;

/// Largest page of the Applications family.
pub(crate) const MOST: u64 = 500;

/// A page of a list; without elements there is no `_embedded`.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub(crate) struct Listing<E: Serialize> {
    #[serde(rename = "_embedded", skip_serializing_if = "Option::is_none")]
    embedded: Option<E>,
    #[serde(rename = "_links")]
    links: Links,
    page: Page,
}

/// The member of `_embedded` that holds the elements of a list.
macro_rules! embedded {
    ($name:ident, $member:ident: $element:ty) => {
        #[derive(serde::Serialize)]
        #[cfg_attr(test, derive(utoipa::ToSchema))]
        pub(crate) struct $name {
            $member: Vec<$element>,
        }

        impl From<Vec<$element>> for $name {
            fn from($member: Vec<$element>) -> Self {
                Self { $member }
            }
        }
    };
}
pub(crate) use embedded;

/// A list resource: its absolute URL and the parameters it knows, in the order
/// in which links name them.
pub(crate) struct List<'a> {
    pub(crate) url: String,
    pub(crate) parameters: &'a [Parameter],
    /// Whether `self` offers `page` and `size`.
    pub(crate) offers_paging: bool,
    /// Elements of a page unless the query says otherwise.
    pub(crate) usual_size: u64,
}

impl<'a> List<'a> {
    pub(crate) fn new(url: String, parameters: &'a [Parameter]) -> Self {
        Self { url, parameters, offers_paging: true, usual_size: 50 }
    }

    /// The page that a query asks for.
    pub(crate) fn page<T, E: From<Vec<T>> + Serialize>(
        &self,
        query: &Query,
        find: impl FnOnce(&Window) -> Result<(Vec<T>, u64), Refusal>,
    ) -> Result<Response, Refusal> {
        let paging = query.paging(self.usual_size, MOST)?;
        let (elements, total) = find(&paging.window())?;
        self.listing::<T, E>(elements, Page::new(paging.number, paging.size, total), query)
    }

    /// This page, with these elements.
    pub(crate) fn listing<T, E: From<Vec<T>> + Serialize>(
        &self,
        elements: Vec<T>,
        page: Page,
        query: &Query,
    ) -> Result<Response, Refusal> {
        let embedded = (!elements.is_empty()).then(|| E::from(elements));
        json(&Listing { embedded, links: self.links(query, page), page })
    }

    /// `first`, `prev`, `next` and `last` when there is more than one page;
    /// `self` always.
    pub(crate) fn links(&self, query: &Query, page: Page) -> Links {
        let used = self.used(query, None);
        let at = |number: u64| {
            let joint = if used.is_empty() { "" } else { "&" };
            Some(Link::to(format!("{}?{used}{joint}page={number}&size={}", self.url, page.size)))
        };
        let has_more = page.total_pages > 1;
        Links {
            first: has_more.then(|| at(0)).flatten(),
            prev: (has_more && page.number > 0).then(|| at(page.number - 1)).flatten(),
            this: Some(self.template(query, None)),
            next: (page.number + 1 < page.total_pages).then(|| at(page.number + 1)).flatten(),
            last: has_more.then(|| at(page.total_pages - 1)).flatten(),
            ..Links::default()
        }
    }

    /// The list as a URI template; `replaced` overrides one parameter.
    pub(crate) fn template(&self, query: &Query, replaced: Option<(&str, &str)>) -> Link {
        let used = self.used(query, replaced);
        let is_used =
            |name: &str| replaced.is_some_and(|(n, _)| n == name) || !query.list(name).is_empty();
        let paging = if self.offers_paging { PAGING } else { &[] };
        let filters = self.parameters.iter().filter(|parameter| !is_used(parameter.name));
        let unused: Vec<_> = paging.iter().chain(filters).map(|parameter| parameter.name).collect();
        let joint = if used.is_empty() { "" } else { "?" };
        let expression = if used.is_empty() { "?" } else { "&" };
        Link::template(format!("{}{joint}{used}{{{expression}{}}}", self.url, unused.join(",")))
    }

    fn used(&self, query: &Query, replaced: Option<(&str, &str)>) -> String {
        let mut parts = Vec::new();
        for Parameter { name, .. } in self.parameters {
            match replaced {
                Some((n, value)) if n == *name => parts.push(format!("{name}={}", encode(value))),
                _ => {
                    let value = query.list(name).join(",");
                    let value = match value.to_ascii_lowercase() {
                        lower if lower == "true" || lower == "false" => lower,
                        _ => value,
                    };
                    if !value.is_empty() {
                        parts.push(format!("{name}={}", encode(&value)));
                    }
                }
            }
        }
        parts.join("&")
    }
}
