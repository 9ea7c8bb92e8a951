//! Answers that every face for people gives alike.

use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};

use crate::body::Unread;

/// Why there is no page: title, what happened, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// Status of the answer.
    pub status: u16,
    /// Title.
    pub title: &'static str,
    /// One sentence.
    pub what: &'static str,
    /// One more.
    pub fix: &'static str,
}

/// What keeps every face alike from showing a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// A form that none of our pages sent, or from a session that is over.
    Outdated,
    /// A form that did not come whole.
    Unread(Unread),
    /// So many requests came from one address; the number of seconds to wait.
    TooMany(u64),
    /// Too many passwords wait to be compared.
    Busy,
}

impl Hindrance {
    /// What is said about it.
    pub fn notice(self) -> Notice {
        match self {
            Self::Outdated => OUTDATED_FORM,
            Self::Unread(unread) => unread.into(),
            Self::TooMany(_) => TOO_MANY_TRIES,
            Self::Busy => BUSY,
        }
    }

    /// Has the client wait before it comes again, if that helps.
    pub fn hold_off(self, answer: &mut Response) {
        let seconds = match self {
            Self::Outdated | Self::Unread(_) => return,
            Self::TooMany(seconds) => seconds,
            Self::Busy => BUSY_SECONDS,
        };
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// In which a line of passwords is compared, and more.
const BUSY_SECONDS: u64 = 2;

const OUTDATED_FORM: Notice = Notice {
    status: 400,
    title: "The form is out of date",
    what: "The form belongs to a session that is over, or came from elsewhere.",
    fix: "Go back, reload the page and send the form again.",
};

const TOO_MANY_TRIES: Notice = Notice {
    status: 429,
    title: "Too many tries",
    what: "Too many tries to sign in came from this address.",
    fix: "Wait for a minute and try again.",
};

const BUSY: Notice = Notice {
    status: 503,
    title: "Busy",
    what: "Too many users sign in at this moment.",
    fix: "Try again in a few seconds.",
};

impl From<Unread> for Notice {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge => Self {
                status: unread.status(),
                title: "Too much at once",
                what: "No form of these pages is that large.",
                fix: "Go back and send less.",
            },
            Unread::TooSlow => Self {
                status: unread.status(),
                title: "The form came too slowly",
                what: "The form did not arrive in time.",
                fix: "Check the connection, go back and send the form again.",
            },
            Unread::Broken => OUTDATED_FORM,
        }
    }
}

/// A page with this status.
pub fn html(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response()
}

/// A style or a script, which browsers may keep for an hour.
pub fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600")),
    ];
    (headers, text).into_response()
}

/// On with another page, by GET.
pub fn go(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, path);
    }
    response
}
