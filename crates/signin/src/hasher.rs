//! Argon2id, one computation after the other in memory that is allocated once.
//!
//! Each computation needs 19 MiB. Allocated anew each time, they are what an allocator
//! never gives back, and whoever sends wrong passwords decides how many there are. So
//! there is one piece of memory, a bounded number of threads that wait for it, and beyond
//! them an answer at once that says so. Dozens of sign-ins a second are more than a program
//! with people in front of it needs; a second piece would cost every process 19 MiB more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::BASE64_NOPAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{Error, Random};

/// Memory in KiB, passes, lanes.
type Cost = (u32, u32, u32);

/// What OWASP names as the least.
const COST: Cost = (19 * 1024, 2, 1);

/// Threads in line, the one that computes among them.
const MAX_IN_LINE: usize = 24;

/// Places in line for browsers that the account knows alone: strangers who fill the line
/// do not keep its owner out.
const KEPT_FREE: usize = 8;

/// The memory and the line for it. Cheap to clone; clones share both.
#[derive(Clone, Default)]
pub struct Hasher(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Empty until it is first used.
    memory: Mutex<Vec<Block>>,
    in_line: AtomicUsize,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    /// Waits for the memory. None at once, without any work, when too many wait already.
    pub fn place(&self, is_known: bool) -> Option<Place<'_>> {
        let most = if is_known { MAX_IN_LINE } else { MAX_IN_LINE - KEPT_FREE };
        let stood = self.0.in_line.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            (count < most).then_some(count + 1)
        });
        stood.ok().map(|_| self.wait())
    }

    /// The hash of a password that the program itself sets: it waits, however many do.
    pub fn hash(&self, password: &str, random: Random<'_>) -> Result<String, Error> {
        self.0.in_line.fetch_add(1, Ordering::AcqRel);
        self.wait().hash(password, random)
    }

    /// For who stands in line.
    fn wait(&self) -> Place<'_> {
        // What a panic left there is overwritten by the next computation.
        let mut memory = self.0.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.is_empty() {
            memory.resize(COST.0 as usize, Block::new());
        }
        Place { memory, in_line: &self.0.in_line }
    }
}

/// The memory, for as long as it is held.
pub struct Place<'a> {
    memory: MutexGuard<'a, Vec<Block>>,
    in_line: &'a AtomicUsize,
}

impl Place<'_> {
    /// Takes its time by design: tens of milliseconds.
    pub fn hash(&mut self, password: &str, random: Random<'_>) -> Result<String, Error> {
        let mut salt = [0; 16];
        random(&mut salt);
        let digest = self.derive(password, &salt, COST).ok_or(Error::Hash)?;
        let (memory, passes, lanes) = COST;
        Ok(format!(
            "$argon2id$v=19$m={memory},t={passes},p={lanes}${}${}",
            BASE64_NOPAD.encode(&salt),
            BASE64_NOPAD.encode(&*digest)
        ))
    }

    /// Whether the password has this hash. A hash that cannot be read, or that wants more
    /// memory than there is, fits none.
    pub fn fits(&mut self, password: &str, hash: &str) -> bool {
        let Some((cost, salt, expected)) = parse(hash) else { return false };
        let digest = self.derive(password, &salt, cost);
        digest.is_some_and(|digest| bool::from(digest[..].ct_eq(&expected)))
    }

    fn derive(&mut self, password: &str, salt: &[u8], cost: Cost) -> Option<Zeroizing<[u8; 32]>> {
        let params = Params::new(cost.0, cost.1, cost.2, Some(32)).ok()?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut digest = Zeroizing::new([0; 32]);
        let memory = self.memory.as_mut_slice();
        argon
            .hash_password_into_with_memory(password.as_bytes(), salt, &mut *digest, memory)
            .ok()?;
        Some(digest)
    }
}

impl Drop for Place<'_> {
    /// What a password left in the memory is overwritten by who is next in line, or here.
    fn drop(&mut self) {
        if self.in_line.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.memory.fill(Block::new());
        }
    }
}

/// Cost, salt and digest.
fn parse(hash: &str) -> Option<(Cost, Vec<u8>, Vec<u8>)> {
    let mut parts = hash.strip_prefix("$argon2id$v=19$")?.split('$');
    let (cost, salt, digest) = (parts.next()?, parts.next()?, parts.next()?);
    let mut numbers =
        cost.split(',').map(|part| part.split_once('=').and_then(|(_, n)| n.parse().ok()));
    let cost = (numbers.next()??, numbers.next()??, numbers.next()??);
    let salt = BASE64_NOPAD.decode(salt.as_bytes()).ok()?;
    Some((cost, salt, BASE64_NOPAD.decode(digest.as_bytes()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_fit_their_password_alone() {
        let random = |buffer: &mut [u8]| buffer.fill(7);
        let hasher = Hasher::default();
        let hash = hasher.hash("plum-Kettle7-orbit", &random).unwrap();
        let mut place = hasher.place(false).unwrap();
        assert!(place.fits("plum-Kettle7-orbit", &hash));
        assert!(!place.fits("plum-Kettle7-orbiT", &hash));
        let greedy = hash.replace("m=19456", "m=19457");
        for odd in ["", "$argon2id$v=19$", "$argon2id$v=19$m=1,t=1$AA$AA", &hash[..40], &greedy] {
            assert!(!place.fits("plum-Kettle7-orbit", odd), "{odd}");
        }
    }

    /// The digest of the published implementation, which allocates for itself.
    #[test]
    fn used_memory_changes_no_hash() {
        let hasher = Hasher::default();
        let random = |buffer: &mut [u8]| buffer.fill(7);
        hasher.hash("another", &random).unwrap();
        let hash = hasher.hash("plum-Kettle7-orbit", &random).unwrap();
        let mut digest = [0; 32];
        let params = Params::new(COST.0, COST.1, COST.2, Some(32)).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(b"plum-Kettle7-orbit", &[7; 16], &mut digest)
            .unwrap();
        assert!(hash.ends_with(&BASE64_NOPAD.encode(&digest)), "{hash}");
    }

    #[test]
    fn the_line_has_an_end_and_the_memory_is_wiped() {
        let hasher = Hasher::default();
        let mut first = hasher.place(false).unwrap();
        first.fits("plum-Kettle7-orbit", "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AA");
        assert!(first.memory.iter().any(|block| block.as_ref().iter().any(|word| *word != 0)));
        std::thread::scope(|scope| {
            // Waits for `first`: a place in line each.
            let wait = || drop(hasher.place(true));
            let threads: Vec<_> = (1..MAX_IN_LINE).map(|_| scope.spawn(wait)).collect();
            while hasher.0.in_line.load(Ordering::Acquire) < MAX_IN_LINE {
                std::thread::yield_now();
            }
            assert!(hasher.place(true).is_none(), "the line is full");
            drop(first);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        let left = hasher.0.memory.lock().unwrap();
        assert_eq!(left.len(), COST.0 as usize, "it is kept");
        assert!(left.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
    }

    #[test]
    fn strangers_leave_places_to_known_browsers() {
        let hasher = Hasher::default();
        hasher.0.in_line.store(MAX_IN_LINE - KEPT_FREE, Ordering::Release);
        assert!(hasher.place(false).is_none());
        assert!(hasher.place(true).is_some());
    }
}
