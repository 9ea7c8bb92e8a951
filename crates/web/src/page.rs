//! Answers that every face for people gives alike.

use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};

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

/// A form that none of our pages sent, or from a session that is over.
pub const OUTDATED_FORM: Notice = Notice {
    status: 400,
    title: "The form is out of date",
    what: "The form belongs to a session that is over, or came from elsewhere.",
    fix: "Go back, reload the page and send the form again.",
};

/// Requests that one address may send are used up; the answer has `Retry-After`.
pub const TOO_MANY_TRIES: Notice = Notice {
    status: 429,
    title: "Too many tries",
    what: "Too many tries to sign in came from this address.",
    fix: "Wait for a minute and try again.",
};

/// No password can be looked at now.
pub const BUSY: Notice = Notice {
    status: 503,
    title: "Busy",
    what: "Too many people sign in at this moment.",
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

/// On with another page, by GET.
pub fn go(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, path);
    }
    response
}
