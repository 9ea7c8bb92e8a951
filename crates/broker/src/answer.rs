//! Answers as they go to the caller: headers taken over, bodies passed on piece by
//! piece.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign_client::{Error as ClientError, Forwarded};
use futures::Stream;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::audit::Line;
use super::head::NextHead;
use super::refusal::{HEADER, Refusal};

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, ClientError>> + Send>>;

/// The body of an answer, and what lasts as long as it.
pub(crate) struct Body {
    content: Content,
    line: Option<Line>,
    _place: Option<OwnedSemaphorePermit>,
    _next: Option<NextHead>,
}

enum Content {
    Whole(Option<Bytes>),
    Pieces(Pieces),
}

impl Body {
    pub(crate) fn whole(text: impl Into<Bytes>) -> Self {
        let content = Content::Whole(Some(text.into()));
        Self { content, line: None, _place: None, _next: None }
    }

    fn pieces(forwarded: Forwarded) -> Self {
        let pieces = futures::stream::unfold(Some(forwarded), |forwarded| async {
            let mut forwarded = forwarded?;
            match forwarded.chunk().await {
                Ok(Some(chunk)) => Some((Ok(chunk), Some(forwarded))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        Self { content: Content::Pieces(Box::pin(pieces)), line: None, _place: None, _next: None }
    }

    pub(crate) fn with_line(mut self, line: Line) -> Self {
        self.line = Some(line);
        self
    }

    pub(crate) fn with_place(mut self, place: OwnedSemaphorePermit) -> Self {
        self._place = Some(place);
        self
    }

    pub(crate) fn with_next(mut self, next: NextHead) -> Self {
        self._next = Some(next);
        self
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = ClientError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        match &mut self.content {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Pieces(pieces) => {
                let piece = futures::ready!(pieces.as_mut().poll_next(context));
                if let Some(Err(_)) = &piece
                    && let Some(line) = &mut self.line
                {
                    line.broken();
                }
                Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Content::Pieces(_) => SizeHint::default(),
        }
    }
}

/// What the broker answers itrefusal.
pub(crate) fn refused(refusal: Refusal) -> Response<Body> {
    let error = json!({ "error": { "code": refusal.code, "message": refusal.message } });
    let mut response = Response::new(Body::whole(format!("{error}\n")));
    *response.status_mut() = refusal.status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static(HEADER), refusal.code),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Not Basic, for which a browser would ask a person, and remember.
    if refusal.status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer realm=\"countersign\"");
        headers.insert(header::WWW_AUTHENTICATE, bearer);
    }
    response
}

/// The service's answer; none if its status is not one of an answer.
pub(crate) fn relayed(forwarded: Forwarded) -> Option<Response<Body>> {
    let status = forwarded.status();
    if status.is_informational() {
        return None;
    }
    let headers = kept(forwarded.headers());
    let is_empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if is_empty { Body::whole("") } else { Body::pieces(forwarded) };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if is_empty {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    Some(response)
}

/// Of one connection only, or not for others to set.
const DROPPED: [HeaderName; 12] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::ALT_SVC,
];

fn kept(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let is_dropped = DROPPED.contains(name)
            || named.contains(name)
            || name == HEADER
            || name == "set-cookie2"
            || name == "clear-site-data"
            || name.as_str().starts_with("access-control-");
        if !is_dropped {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}
