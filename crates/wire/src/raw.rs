//! A list page whose elements stay the bytes that came over the wire, so that
//! they can be hashed, compared and kept before anything is decoded.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::hal::{Links, Page};

/// One page, borrowing from its body.
#[derive(Debug, Clone)]
pub struct RawPage<'a> {
    /// The elements, each exactly as sent. Empty when `_embedded` was absent.
    pub elements: Vec<&'a RawValue>,
    /// Whether the body had an `_embedded` member with the list in it.
    pub has_embedded: bool,
    /// The `page` member; some lists of the Identity API leave it out.
    pub page: Option<Page>,
    /// The `_links` member.
    pub links: Links,
}

impl<'a> RawPage<'a> {
    /// Reads a page whose list is `_embedded.<list>`.
    pub fn parse(body: &'a str, list: &str) -> Result<Self, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(body);
        let page = PageSeed { list }.deserialize(&mut reader)?;
        reader.end()?;
        Ok(page)
    }
}

struct PageSeed<'l> {
    list: &'l str,
}

impl<'de> DeserializeSeed<'de> for PageSeed<'_> {
    type Value = RawPage<'de>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PageSeed<'_> {
    type Value = RawPage<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a HAL page")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut elements = None;
        let mut page = None;
        let mut links = None;
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Embedded => {
                    elements = map.next_value_seed(EmbeddedSeed { list: self.list })?;
                }
                Key::Page => page = map.next_value()?,
                Key::Links => links = map.next_value()?,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(RawPage {
            has_embedded: elements.is_some(),
            elements: elements.unwrap_or_default(),
            page,
            links: links.unwrap_or_default(),
        })
    }
}

#[derive(Deserialize)]
enum Key {
    #[serde(rename = "_embedded")]
    Embedded,
    #[serde(rename = "page")]
    Page,
    #[serde(rename = "_links")]
    Links,
    #[serde(other)]
    Other,
}

struct EmbeddedSeed<'l> {
    list: &'l str,
}

impl<'de> DeserializeSeed<'de> for EmbeddedSeed<'_> {
    type Value = Option<Vec<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for EmbeddedSeed<'_> {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the list `{}`", self.list)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut elements = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == self.list {
                elements = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(elements)
    }
}
