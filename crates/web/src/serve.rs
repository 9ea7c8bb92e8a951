//! One loop that accepts, one function that serves a connection.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::body::{Open, RequestBody, ResponseBody};
use crate::limits::Limits;
use crate::listen::{Listener, Peer, Stream};
use crate::places::{Full, Place, Places, Room, Turnover};
use crate::progress::{Fate, Progress};

/// Time for connections to end when the system has no more of something.
const SHORTAGE: Duration = Duration::from_millis(50);
/// Between two looks whether a connection waits by now.
const MOMENT: Duration = Duration::from_millis(2);
/// A log line about a state that lasts comes once in this time.
const QUIET: Duration = Duration::from_secs(60);
/// HTTP/2 requests of one connection at once.
const STREAMS: u32 = 64;
/// What one HTTP/2 connection, or one request on it, may send before somebody reads it.
const CONNECTION_WINDOW: u32 = 128 * 1024;
const STREAM_WINDOW: u32 = 64 * 1024;
/// What is held of an answer that an HTTP/2 client does not take.
const SEND_BUFFER: usize = 128 * 1024;

/// What answers the requests that come to a listener.
pub trait Host: Clone + Send + Sync + 'static {
    /// What is kept for one connection.
    type Watch: Watch;

    /// Answers a request. An error ends the connection, or on HTTP/2 the stream, without
    /// an answer.
    fn answer(
        self,
        watch: Self::Watch,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Body>, Unsent>> + Send;
}

/// Sees the bytes of a connection as they come, after TLS, before anybody reads them.
pub trait Watch: Clone + Default + Send + Sync + 'static {
    /// These came.
    fn see(&self, bytes: &[u8]);
}

impl Watch for () {
    fn see(&self, _: &[u8]) {}
}

/// Nothing is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Unsent;

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing was to be sent")
    }
}

impl StdError for Unsent {}

/// Routes are a host. An answer with the extension [`Unsent`] is not sent; the request
/// has the extension `ConnectInfo<SocketAddr>` where the client has an address.
impl Host for Router {
    type Watch = ();

    async fn answer(self, (): (), request: Request<RequestBody>) -> Result<Response<Body>, Unsent> {
        let answered: Result<_, Infallible> = self.oneshot(request).await;
        let Ok(response) = answered;
        match response.extensions().get::<Unsent>() {
            Some(unsent) => Err(*unsent),
            None => Ok(response),
        }
    }
}

/// A host with what is kept for one connection. What serves a connection knows hosts and
/// streams by their tables of functions: it is compiled once, here, and not for each host.
struct Guest<H: Host> {
    host: H,
    watch: H::Watch,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Unsent>> + Send>>;

trait Attend: Send + Sync {
    fn see(&self, bytes: &[u8]);
    fn answer(&self, request: Request<RequestBody>) -> Answering;
}

impl<H: Host> Attend for Guest<H> {
    fn see(&self, bytes: &[u8]) {
        self.watch.see(bytes);
    }

    fn answer(&self, request: Request<RequestBody>) -> Answering {
        Box::pin(self.host.clone().answer(self.watch.clone(), request))
    }
}

/// Serves until `stop` turns true or its sender is gone; then lets running requests end,
/// for as long as [`Limits::end`] says.
pub async fn serve<H: Host>(
    listener: Listener,
    host: H,
    limits: Limits,
    stop: watch::Receiver<bool>,
) {
    let receive = move || -> Arc<dyn Attend> {
        Arc::new(Guest { host: host.clone(), watch: H::Watch::default() })
    };
    boxed(listener, Box::new(receive), limits, stop).await;
}

type Receive = Box<dyn Fn() -> Arc<dyn Attend> + Send + Sync>;

/// An `async fn` is compiled where it is awaited, and so in every crate that serves; what a
/// plain function returns in a box is compiled here.
fn boxed(
    listener: Listener,
    receive: Receive,
    limits: Limits,
    stop: watch::Receiver<bool>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(accept(listener, receive, limits, stop))
}

async fn accept(
    listener: Listener,
    receive: Receive,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let house = Arc::new(House::new(limits));
    let mut connections = JoinSet::new();
    let mut looks = looks(&limits);
    let mut turnover = Turnover::new(&limits);
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = listener.socket.accept() => accepted,
            _ = looks.tick(), if !connections.is_empty() => {
                house.look();
                continue;
            }
            _ = stop.wait_for(|is_stopped| *is_stopped) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                house.recover(&error).await;
                continue;
            }
        };
        let Ok(seat) = house.seat(peer, listener.tls.is_some(), &mut turnover).await else {
            continue;
        };
        let stream: Io = match stream {
            Stream::Tcp(stream) => Box::new(stream),
            #[cfg(unix)]
            Stream::Unix(stream) => Box::new(stream),
        };
        connections.spawn(connection(stream, peer, listener.tls.clone(), receive(), seat));
    }
    drop(listener);
    house.leave();
    let all = async {
        loop {
            tokio::select! {
                ended = connections.join_next() => match ended {
                    Some(_) => {}
                    None => break,
                },
                _ = looks.tick() => house.look(),
            }
        }
    };
    if timeout(limits.end, all).await.is_err() {
        tracing::warn!("requests that did not end were cut off");
        connections.shutdown().await;
    }
}

fn looks(limits: &Limits) -> tokio::time::Interval {
    let mut looks = interval(limits.look());
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

/// The connections of a listener, and the rules for them.
struct House {
    limits: Limits,
    places: Mutex<Places<Arc<Progress>>>,
    freed: Notify,
    full: Rarely,
    short: Rarely,
}

/// A place that a connection has, until this is dropped.
struct Seat {
    house: Arc<House>,
    place: Place,
    progress: Arc<Progress>,
}

impl House {
    fn new(limits: Limits) -> Self {
        let places = Places::new(limits.places, limits.places_per_address);
        Self {
            limits,
            places: Mutex::new(places),
            freed: Notify::new(),
            full: Rarely::default(),
            short: Rarely::default(),
        }
    }

    /// A place for a new connection, if need be that of one that waits. If none does, it is
    /// given a moment: most requests are answered in less.
    async fn seat(
        self: &Arc<Self>,
        peer: Peer,
        is_tls: bool,
        turnover: &mut Turnover,
    ) -> Result<Seat, Full> {
        let origin = peer.origin();
        let patience = Instant::now() + self.limits.safe;
        loop {
            let now = Instant::now();
            let until = {
                let mut places = self.lock();
                match places.room(origin, |progress| progress.yields(self.limits.safe, now)) {
                    Room::Free => {
                        let progress = Arc::new(Progress::new(is_tls, now));
                        let place = places.take(origin, Arc::clone(&progress));
                        return Ok(Seat { house: Arc::clone(self), place, progress });
                    }
                    Room::InsteadOf(place) => {
                        let Some(going) = places.get(place) else { continue };
                        let safe_until = going.came() + self.limits.safe;
                        if safe_until > now {
                            safe_until
                        } else if let Some(until) = turnover.next(now) {
                            until
                        } else {
                            if going.give_way() {
                                places.leave(place);
                            }
                            continue;
                        }
                    }
                    Room::Full(_) if now < patience => now + MOMENT,
                    Room::Full(why) => {
                        self.full.say(|| tracing::warn!(?why, "no place for a connection"));
                        return Err(why);
                    }
                }
            };
            tokio::select! {
                () = sleep_until(until) => {}
                () = self.freed.notified() => {}
            }
        }
    }

    fn look(&self) {
        let now = Instant::now();
        self.lock().all().for_each(|progress| progress.look(&self.limits, now));
    }

    fn leave(&self) {
        let now = Instant::now();
        self.lock().all().for_each(|progress| progress.leave(now));
    }

    /// After an error of the system: out of descriptors, say. Whoever waits longest goes,
    /// and the next connection is accepted a little later.
    async fn recover(&self, error: &io::Error) {
        let is_of_one = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionRefused
        );
        if is_of_one {
            return;
        }
        self.short.say(|| tracing::warn!(%error, "failed to accept a connection"));
        {
            let mut places = self.lock();
            if let Some(place) =
                places.first(|progress| progress.yields(Duration::ZERO, Instant::now()))
                && places.get(place).is_some_and(|progress| progress.give_way())
            {
                places.leave(place);
            }
        }
        tokio::time::sleep(SHORTAGE).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Places<Arc<Progress>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.house.lock().leave(self.place);
        self.house.freed.notify_one();
    }
}

/// Says a thing once in a while.
#[derive(Default)]
struct Rarely(Mutex<Option<Instant>>);

impl Rarely {
    fn say(&self, say: impl FnOnce()) {
        let now = Instant::now();
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none_or(|said| now.saturating_duration_since(said) >= QUIET) {
            *said = Some(now);
            say();
        }
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

type Io = Box<dyn Duplex>;

async fn connection(
    stream: Io,
    peer: Peer,
    tls: Option<TlsAcceptor>,
    guest: Arc<dyn Attend>,
    seat: Seat,
) {
    let Some(tls) = tls else { return speak(stream, peer, Protocol::Http1, guest, &seat).await };
    let shaken = tokio::select! {
        shaken = tls.accept(stream) => shaken,
        () = seat.progress.until(Fate::Go) => {
            tracing::debug!(?peer, "no TLS handshake in time");
            return;
        }
    };
    match shaken {
        Ok(stream) => {
            seat.progress.shake_hands(Instant::now());
            let protocol = match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Protocol::Http2,
                _ => Protocol::Http1,
            };
            speak(Box::new(stream), peer, protocol, guest, &seat).await;
        }
        Err(error) => tracing::debug!(?peer, %error, "no TLS handshake"),
    }
}

/// As TLS agreed on it; without TLS it is the older one.
enum Protocol {
    Http1,
    Http2,
}

async fn speak(stream: Io, peer: Peer, protocol: Protocol, guest: Arc<dyn Attend>, seat: &Seat) {
    let (limits, progress) = (seat.house.limits, &seat.progress);
    let stream = TokioIo::new(Watched { stream, guest: Arc::clone(&guest) });
    let service = {
        let progress = Arc::clone(progress);
        service_fn(move |request: Request<Incoming>| {
            let guest = Arc::clone(&guest);
            let open = Open::new(&progress);
            async move {
                let open = open.ok_or(Unsent)?;
                let mut request = request.map(|body| RequestBody::new(body, &open, &limits));
                if let Peer::Tcp(address) = peer {
                    request.extensions_mut().insert(ConnectInfo(address));
                }
                let response = guest.answer(request).await?;
                Ok::<_, Unsent>(response.map(|body| ResponseBody::new(body, open)))
            }
        })
    };
    let ended = match protocol {
        Protocol::Http1 => {
            let mut builder = http1::Builder::new();
            // The progress of the connection says when a head takes too long.
            builder.header_read_timeout(None).max_buf_size(limits.head_bytes);
            let connection = pin!(builder.serve_connection(stream, service));
            until_told(connection, |connection| connection.graceful_shutdown(), progress).await
        }
        Protocol::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
                .max_concurrent_streams(STREAMS)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .initial_stream_window_size(STREAM_WINDOW)
                .max_send_buf_size(SEND_BUFFER);
            let connection = pin!(builder.serve_connection(stream, service));
            until_told(connection, |connection| connection.graceful_shutdown(), progress).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(?peer, %error, "a connection ended early");
    }
}

/// Serves a connection to its end, or until it has to go.
async fn until_told<C: Future<Output = hyper::Result<()>>>(
    mut connection: Pin<&mut C>,
    leave: impl FnOnce(Pin<&mut C>),
    progress: &Progress,
) -> hyper::Result<()> {
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = progress.until(Fate::Leave) => leave(connection.as_mut()),
    }
    tokio::select! {
        ended = connection => ended,
        () = progress.until(Fate::Go) => Ok(()),
    }
}

/// A stream whose bytes are seen as they come.
struct Watched {
    stream: Io,
    guest: Arc<dyn Attend>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.guest.see(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
