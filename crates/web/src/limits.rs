//! How long a connection may take for what, and how many of them there may be.

use std::time::Duration;

/// The bounds of one listener. Every state of a connection has one of its own.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once. Default: 1024.
    pub places: usize,
    /// Connections of one client address at once, so that one address never takes all
    /// places. Default: 768.
    pub places_per_address: usize,
    /// When no place is free, a new connection takes that of one that waits. Nobody loses it
    /// within this time after connecting, so that whoever has something to ask can ask it; and
    /// no more than half of the places change hands in it. Default: 50 ms.
    pub safe: Duration,
    /// From the start of a connection until TLS is agreed. Default: 10 s.
    pub handshake: Duration,
    /// From then until the first request has come with its whole head, however its bytes
    /// trickle in. Default: 20 s.
    pub head: Duration,
    /// From the last answer until the whole head of the next request, whatever comes
    /// meanwhile: on HTTP/2 this covers pings and unfinished headers. Default: 60 s.
    pub idle: Duration,
    /// Size of the head of a request, in bytes; at least 8192. Default: 16 KiB.
    pub head_bytes: usize,
    /// How long a body may pause. Default: 20 s.
    pub body_stall: Duration,
    /// How long the server waits for a body altogether. Default: 30 s, and a second more
    /// for every [`body_bytes_per_second`](Self::body_bytes_per_second) that came.
    pub body_time: Duration,
    /// How slow a long body may be. Default: 4096.
    pub body_bytes_per_second: u32,
    /// How long a client may take for the next 64 KiB of an answer. Default: 30 s.
    pub write_stall: Duration,
    /// How long requests may go on once the listener is to end. Default: 5 s.
    pub end: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            places: 1024,
            places_per_address: 768,
            safe: Duration::from_millis(50),
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(20),
            idle: Duration::from_secs(60),
            head_bytes: 16 * 1024,
            body_stall: Duration::from_secs(20),
            body_time: Duration::from_secs(30),
            body_bytes_per_second: 4096,
            write_stall: Duration::from_secs(30),
            end: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// How often connections are looked at: none outlives its limit by more than this.
    pub(crate) fn look(&self) -> Duration {
        let shortest = [self.handshake, self.head, self.idle, self.write_stall].into_iter().min();
        let quarter = shortest.unwrap_or_default() / 4;
        quarter.clamp(Duration::from_millis(5), Duration::from_secs(1))
    }
}
