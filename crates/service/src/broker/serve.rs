//! Connections: bounded in number, in the size of their heads, and in the time that
//! they may take for anything.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::head::{Heads, Watched};
use super::listen::Bound;
use super::{Inner, answer_request};

/// Serves until `stop` turns true; then lets running requests end, for a while.
pub(crate) async fn serve(bound: Bound, inner: Arc<Inner>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(inner.limits.connections));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = accept(&bound, &places) => accepted,
            _ = stop.changed() => break,
        };
        let (inner, stop) = (Arc::clone(&inner), stop.clone());
        match accepted {
            Ok((Stream::Loopback(stream), place)) => {
                // Answers are small; waiting to fill a packet is what would take time.
                let _ = stream.set_nodelay(true);
                connections.spawn(connection(stream, inner, stop, place));
            }
            #[cfg(unix)]
            Ok((Stream::Socket(stream), place)) => {
                connections.spawn(connection(stream, inner, stop, place));
            }
            Err(error) => {
                // Out of descriptors, say: give connections time to end.
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(bound);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(inner.limits.end_time, all).await.is_err() {
        tracing::warn!("requests that did not end were cut off");
        connections.shutdown().await;
    }
}

enum Stream {
    Loopback(tokio::net::TcpStream),
    #[cfg(unix)]
    Socket(tokio::net::UnixStream),
}

/// The next connection, once there is a place for it.
async fn accept(
    bound: &Bound,
    places: &Arc<Semaphore>,
) -> std::io::Result<(Stream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let stream = match bound {
        Bound::Loopback(listener, _) => Stream::Loopback(listener.accept().await?.0),
        #[cfg(unix)]
        Bound::Socket(listener, _) => Stream::Socket(listener.accept().await?.0),
    };
    Ok((stream, place))
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    inner: Arc<Inner>,
    mut stop: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    let heads = Heads::default();
    let limits = inner.limits;
    let stream = Watched::new(stream, heads.clone(), limits.stall_time);
    let service = service_fn(move |request| {
        let (inner, heads) = (Arc::clone(&inner), heads.clone());
        async move { Ok::<_, std::convert::Infallible>(answer_request(&inner, &heads, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // Also the time that a connection may be idle.
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head_bytes);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
