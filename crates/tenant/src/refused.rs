//! Why something was not done or found. Faces turn it into a status and a body, or into
//! a page.

use crate::Error;

/// A refusal of the tenant.
#[derive(Debug)]
pub enum Refused {
    /// What is wrong with the input, member by member: `member: what is wrong.`
    Invalid(Vec<String>),
    /// One member of a body of the Applications family: JSON pointer and sentence.
    Member { pointer: String, title: String },
    /// A name of the Applications family that another has: JSON pointer and sentence.
    Taken { pointer: String, title: String },
    /// There is no such thing, or none that the caller sees: what it is called.
    Missing(&'static str),
    /// The same for a resource of the Applications family: `Application`.
    NoSuch(&'static str),
    /// A page that there is not: which there are.
    NoSuchPage(String),
    /// A guid that is none.
    MalformedGuid(String),
    /// The account may not: why.
    Forbidden(&'static str),
    /// It is not in a state for that: why.
    Conflict(&'static str),
    /// The tenant failed.
    Failed(Error),
}

impl Refused {
    /// One thing that is wrong.
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid(vec![what.into()])
    }

    pub fn member(pointer: &str, title: &str) -> Self {
        Self::Member { pointer: pointer.to_owned(), title: title.to_owned() }
    }

    /// No role of the account has the permission.
    pub fn lacks_role() -> Self {
        Self::Forbidden("the account lacks a role for this resource")
    }

    pub fn taken(pointer: &str) -> Self {
        Self::Taken { pointer: pointer.to_owned(), title: "The name is taken.".into() }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<countersign_signin::Error> for Refused {
    fn from(error: countersign_signin::Error) -> Self {
        Self::Failed(error.into())
    }
}
