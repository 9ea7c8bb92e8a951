//! Looks at the head of each request as it comes, for what the HTTP library forgives: a
//! fragment, and lengths given twice or in two ways.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_web::Watch;

/// Longer than any name that is looked for.
const MAX_NAME_BYTES: usize = 32;

/// What was seen in one head.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) has_fragment: bool,
    lengths: u32,
    codings: u32,
}

impl Head {
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.lengths + self.codings > 1
    }
}

/// The heads of one connection, shared by who reads it and who answers.
#[derive(Clone, Default)]
pub(crate) struct Heads(Arc<Mutex<Scan>>);

impl Heads {
    /// The head of the request that is being answered. None when it was sent before
    /// the answer to the one before: then nobody looked at it.
    pub(crate) fn take(&self) -> Option<Head> {
        let mut scan = self.lock();
        match std::mem::replace(&mut scan.phase, Phase::Passing) {
            Phase::Seen => Some(std::mem::take(&mut scan.head)),
            Phase::First | Phase::Line | Phase::Passing => None,
        }
    }

    /// To be dropped with the answer: what comes then is another head.
    pub(crate) fn next(&self) -> NextHead {
        NextHead(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Scan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct NextHead(Heads);

impl Drop for NextHead {
    fn drop(&mut self) {
        *self.0.lock() = Scan::default();
    }
}

#[derive(Default)]
struct Scan {
    phase: Phase,
    head: Head,
    /// The beginning of the line.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
enum Phase {
    /// In the request line, or in empty lines before it.
    #[default]
    First,
    /// In the lines after it.
    Line,
    /// The head is complete.
    Seen,
    /// In what follows.
    Passing,
}

impl Scan {
    fn see(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match self.phase {
                Phase::Seen | Phase::Passing => return,
                Phase::First if byte == b'#' => self.head.has_fragment = true,
                Phase::First | Phase::Line => {}
            }
            if byte == b'\n' {
                self.end_line();
            } else if byte != b'\r' && self.line.len() < MAX_NAME_BYTES {
                self.line.push(byte.to_ascii_lowercase());
            }
        }
    }

    fn end_line(&mut self) {
        let is_empty = self.line.is_empty();
        match self.phase {
            Phase::First if !is_empty => self.phase = Phase::Line,
            Phase::Line if is_empty => self.phase = Phase::Seen,
            Phase::Line => {
                let name = self.line.split(|byte| *byte == b':').next().unwrap_or_default();
                match name.trim_ascii() {
                    b"content-length" => self.head.lengths += 1,
                    b"transfer-encoding" => self.head.codings += 1,
                    _ => {}
                }
            }
            Phase::First | Phase::Seen | Phase::Passing => {}
        }
        self.line.clear();
    }
}

impl Watch for Heads {
    fn see(&self, bytes: &[u8]) {
        self.lock().see(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pieces: &[&str]) -> Option<Head> {
        let heads = Heads::default();
        for piece in pieces {
            heads.lock().see(piece.as_bytes());
        }
        heads.take()
    }

    #[test]
    fn heads_are_seen_however_they_are_cut() {
        let text = "\r\nGET /a#b HTTP/1.1\r\nHost: x#\r\nCONTENT-LENGTH: 1\nTransfer-Encoding : x\r\n\r\n#";
        let expected = Head { has_fragment: true, lengths: 1, codings: 1 };
        for at in 0..text.len() {
            let (one, two) = text.split_at(at);
            assert_eq!(seen(&[one, two]), Some(expected.clone()), "{at}");
        }
        assert!(expected.is_ambiguous());
        let plain = seen(&["GET /a HTTP/1.1\r\nx-content-length: 1\r\ncontent-length: 1\r\n\r\n#"]);
        assert!(plain.is_some_and(|head| !head.has_fragment && !head.is_ambiguous()));
    }

    #[test]
    fn what_comes_before_the_answer_is_not_looked_at() {
        let heads = Heads::default();
        let text = b"GET /a HTTP/1.1\r\n\r\n";
        heads.lock().see(text);
        heads.lock().see(b"GET /a#b HTTP/1.1\r\n\r\n");
        assert_eq!(heads.take(), Some(Head::default()));
        assert_eq!(heads.take(), None, "sent too early");
        drop(heads.next());
        assert_eq!(heads.take(), None, "nothing came");
        drop(heads.next());
        heads.lock().see(text);
        assert_eq!(heads.take(), Some(Head::default()));
    }
}
