//! The `Date` header of answers, in the platform's own time.

use std::sync::{Mutex, PoisonError};

use axum::http::HeaderValue;

/// Written anew once a second.
pub(crate) struct DateHeader(Mutex<(i64, HeaderValue)>);

impl Default for DateHeader {
    fn default() -> Self {
        Self(Mutex::new((i64::MIN, HeaderValue::from_static(""))))
    }
}

impl DateHeader {
    pub(crate) fn at(&self, now_ms: i64) -> HeaderValue {
        let second = now_ms.div_euclid(1000);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0 != second {
            let time = jiff::Timestamp::from_second(second).unwrap_or_default();
            let text = time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            if let Ok(value) = HeaderValue::from_str(&text) {
                *held = (second, value);
            }
        }
        held.1.clone()
    }
}
