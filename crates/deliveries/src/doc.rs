//! Text for people, before it is written in the markup of a receiver. All of it may be
//! foreign: each receiver has one place that escapes.

use serde::{Deserialize, Serialize};

/// A text of several blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Doc {
    /// One under the other.
    pub blocks: Vec<Block>,
}

/// A part of a text that stands on lines of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "block", rename_all = "snake_case")]
pub enum Block {
    /// A heading below the title.
    Heading {
        /// One line.
        text: String,
    },
    /// A paragraph.
    Paragraph {
        /// One after the other.
        spans: Vec<Span>,
    },
    /// A list without numbers.
    List {
        /// A line each.
        items: Vec<Vec<Span>>,
    },
    /// Preformatted text.
    Code {
        /// Its lines.
        text: String,
    },
    /// A table.
    Table {
        /// What the columns are called.
        head: Vec<String>,
        /// As many cells in each row.
        rows: Vec<Vec<Vec<Span>>>,
    },
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "span", rename_all = "snake_case")]
pub enum Span {
    /// As it is.
    Text {
        /// Not empty.
        text: String,
    },
    /// With emphasis.
    Strong {
        /// Not empty.
        text: String,
    },
    /// Preformatted.
    Code {
        /// Not empty.
        text: String,
    },
    /// A link. Only `https` and `http` URLs are made one.
    Link {
        /// Not empty.
        text: String,
        /// Where to.
        url: String,
    },
}

impl Span {
    /// As it is.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// With emphasis.
    pub fn strong(text: impl Into<String>) -> Self {
        Self::Strong { text: text.into() }
    }

    /// Preformatted.
    pub fn code(text: impl Into<String>) -> Self {
        Self::Code { text: text.into() }
    }

    /// What it says, without how.
    pub fn plain(&self) -> &str {
        match self {
            Self::Text { text }
            | Self::Strong { text }
            | Self::Code { text }
            | Self::Link { text, .. } => text,
        }
    }
}

impl Doc {
    /// A paragraph more.
    #[must_use]
    pub fn paragraph(mut self, spans: Vec<Span>) -> Self {
        self.blocks.push(Block::Paragraph { spans });
        self
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}
