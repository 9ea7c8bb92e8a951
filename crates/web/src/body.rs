//! Bodies that tell their connection whose turn it is, and that end when a client takes
//! too long; and how to read one whole.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::limits::Limits;
use crate::progress::{Doing, Progress};

/// Answers are sent in pieces of this size at most: whoever takes none of the next one
/// for a while is seen to stand still.
const PIECE_BYTES: usize = 64 * 1024;

/// A request that is being answered. It is over when this is dropped.
pub(crate) struct Open {
    progress: Arc<Progress>,
    number: u64,
}

impl Open {
    /// None if the connection has to go.
    pub(crate) fn new(progress: &Arc<Progress>) -> Option<Self> {
        let number = progress.open(Instant::now())?;
        Some(Self { progress: Arc::clone(progress), number })
    }

    fn turn(&self, doing: Doing) {
        self.progress.turn(self.number, doing, Instant::now());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.progress.close(self.number, Instant::now());
    }
}

/// The body of a request. It fails when it takes longer than it may.
pub struct RequestBody {
    incoming: Incoming,
    progress: Arc<Progress>,
    number: u64,
    patience: Patience,
    waiting: Option<Waiting>,
    /// Since when less came than a second is worth.
    trickles_since: Option<Instant>,
    trickled_bytes: usize,
}

struct Waiting {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

/// How long a body may yet be waited for.
struct Patience {
    stall: Duration,
    left: Duration,
    bytes_per_second: u32,
}

impl Patience {
    fn new(limits: &Limits) -> Self {
        Self {
            stall: limits.body_stall,
            left: limits.body_time,
            bytes_per_second: limits.body_bytes_per_second.max(1),
        }
    }

    /// For the next piece.
    fn next(&self) -> Duration {
        self.stall.min(self.left)
    }

    fn waited(&mut self, waited: Duration) {
        self.left = self.left.saturating_sub(waited);
    }

    fn got(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.left +=
            Duration::from_secs(1).mul_f64(f64::from(bytes) / f64::from(self.bytes_per_second));
    }
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, open: &Open, limits: &Limits) -> Self {
        Self {
            incoming,
            progress: Arc::clone(&open.progress),
            number: open.number,
            patience: Patience::new(limits),
            waiting: None,
            trickles_since: None,
            trickled_bytes: 0,
        }
    }

    fn got(&mut self, bytes: usize) {
        self.patience.got(bytes);
        self.trickled_bytes += bytes;
        if self.trickled_bytes >= self.patience.bytes_per_second as usize {
            self.trickled_bytes = 0;
            self.trickles_since = None;
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut body.incoming).poll_frame(context) else {
            let waiting = match &mut body.waiting {
                Some(waiting) => waiting,
                None => {
                    let now = Instant::now();
                    // A byte now and then does not make it wait anew.
                    let since = *body.trickles_since.get_or_insert(now);
                    body.progress.turn(body.number, Doing::Receive, since);
                    let end = Box::pin(sleep(body.patience.next()));
                    body.waiting.insert(Waiting { since: now, end })
                }
            };
            ready!(waiting.end.as_mut().poll(context));
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        };
        if let Some(waiting) = body.waiting.take() {
            body.patience.waited(waiting.since.elapsed());
            body.progress.turn(body.number, Doing::Work, Instant::now());
        }
        if let Some(Ok(frame)) = &frame {
            body.got(frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if self.waiting.is_some() {
            self.progress.turn(self.number, Doing::Work, Instant::now());
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

/// Why a body did not come.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// It paused too long, or took too long altogether.
    TooSlow,
    /// The connection broke, or what came is no body.
    Broken(hyper::Error),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSlow => f.write_str("the body took too long"),
            Self::Broken(_) => f.write_str("the body broke off"),
        }
    }
}

impl StdError for BodyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::TooSlow => None,
            Self::Broken(error) => Some(error),
        }
    }
}

/// The body of an answer, on its way.
pub(crate) struct ResponseBody {
    body: axum::body::Body,
    /// What does not fit into a piece.
    rest: Bytes,
    open: Open,
}

impl ResponseBody {
    pub(crate) fn new(body: axum::body::Body, open: Open) -> Self {
        open.turn(Doing::Send);
        Self { body, rest: Bytes::new(), open }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
                self.open.turn(Doing::Work);
                return Poll::Pending;
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => {
                    self.open.turn(Doing::Send);
                    return Poll::Ready(Some(Ok(other)));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        self.open.turn(Doing::Send);
        let bytes = self.rest.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, hint) = (self.rest.len() as u64, self.body.size_hint());
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + rest);
        }
        whole
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is larger than it may be.
    TooLarge,
    /// It took longer than it may.
    TooSlow,
    /// It broke off.
    Broken,
}

impl Unread {
    /// What an error of whoever read a body means.
    pub fn because(error: &(dyn StdError + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            // The web framework boxes it once more.
            if error.is::<LengthLimitError>() || error.is::<Box<LengthLimitError>>() {
                return Self::TooLarge;
            }
            if matches!(error.downcast_ref(), Some(BodyError::TooSlow)) {
                return Self::TooSlow;
            }
            cause = error.source();
        }
        Self::Broken
    }

    /// The status of an answer that says so.
    pub fn status(self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::TooSlow => 408,
            Self::Broken => 400,
        }
    }
}

/// Reads a body of at most so many bytes. What is left of a larger one stays unread.
pub async fn read<B>(body: B, most: usize) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    match Limited::new(body, most).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) => Err(Unread::because(&*error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{Full, StreamBody};

    fn open() -> Open {
        Open::new(&Arc::new(Progress::new(false, Instant::now()))).expect("it stays")
    }

    #[tokio::test]
    async fn large_answers_go_out_in_pieces() {
        let whole = Bytes::from(vec![7; 2 * PIECE_BYTES + 1]);
        let mut body = ResponseBody::new(axum::body::Body::new(Full::new(whole.clone())), open());
        let mut sent = Vec::new();
        for left in [2 * PIECE_BYTES + 1, PIECE_BYTES + 1, 1] {
            assert!(!body.is_end_stream());
            assert_eq!(body.size_hint().exact(), Some(left as u64));
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(piece.len(), left.min(PIECE_BYTES));
            sent.extend_from_slice(&piece);
        }
        assert!(body.is_end_stream() && body.frame().await.is_none());
        assert_eq!(sent, whole);
    }

    #[tokio::test]
    async fn an_answer_that_has_nothing_to_give_is_ours_to_do() {
        let progress = Arc::new(Progress::new(false, Instant::now()));
        let waits = || progress.yields(Duration::ZERO, Instant::now()).is_some();
        let open = Open::new(&progress).unwrap();
        let (more, pieces) = futures::channel::mpsc::unbounded();
        let mut body = ResponseBody::new(axum::body::Body::new(StreamBody::new(pieces)), open);
        assert!(waits(), "the client takes the head");
        assert!(futures::poll!(body.frame()).is_pending());
        assert!(!waits());
        more.unbounded_send(Ok::<_, BodyError>(Frame::data(Bytes::from("x")))).unwrap();
        assert!(body.frame().await.unwrap().is_ok());
        assert!(waits());
    }

    #[test]
    fn patience_grows_with_what_comes() {
        let second = Duration::from_secs(1);
        let limits = Limits {
            body_stall: 2 * second,
            body_time: 3 * second,
            body_bytes_per_second: 100,
            ..Limits::default()
        };
        let mut patience = Patience::new(&limits);
        assert_eq!(patience.next(), 2 * second);
        patience.waited(2 * second);
        assert_eq!(patience.next(), second);
        patience.got(50);
        assert_eq!(patience.next(), second + second / 2);
        patience.waited(10 * second);
        assert_eq!(patience.next(), Duration::ZERO);
    }

    #[tokio::test]
    async fn bodies_are_bounded() {
        let full = |bytes| Full::new(Bytes::from(vec![7; bytes]));
        assert_eq!(read(full(10), 10).await.map(|bytes| bytes.len()), Ok(10));
        assert_eq!(read(full(11), 10).await, Err(Unread::TooLarge));
        // As a web framework passes it on.
        let wrapped = axum::Error::new(BodyError::TooSlow);
        assert_eq!(Unread::because(&wrapped), Unread::TooSlow);
        assert_eq!(Unread::because(&fmt::Error), Unread::Broken);
    }
}
