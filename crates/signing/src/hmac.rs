//! HMAC-SHA-256 on the bare compression function. A key is held as the two hash
//! states that follow its inner and outer block, so that whoever keys once and
//! signs often pays for the key once; and every secret intermediate of a chain
//! lives in one scratch that is wiped.

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};
use zeroize::{Zeroizing, optimization_barrier};

const BLOCK: usize = 64;

/// The first 32 bits of the fractional parts of the square roots of the first
/// eight primes (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A key, as the hash states after its two blocks.
#[derive(Clone)]
pub(crate) struct Key {
    inner: [u32; 8],
    outer: [u32; 8],
}

// Whole words behind one barrier: byte by byte, wiping would cost as much as two
// compressions.
impl Drop for Key {
    fn drop(&mut self) {
        (self.inner, self.outer) = ([0; 8], [0; 8]);
        optimization_barrier(self);
    }
}

/// Where states, blocks and digests are built; wiped on drop.
pub(crate) struct Scratch {
    state: [u32; 8],
    block: [u8; BLOCK],
    digest: [u8; 32],
}

impl Drop for Scratch {
    fn drop(&mut self) {
        (self.state, self.block, self.digest) = ([0; 8], [0; BLOCK], [0; 32]);
        optimization_barrier(self);
    }
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { state: [0; 8], block: [0; BLOCK], digest: [0; 32] }
    }

    /// The outcome of the last [`Key::mac`].
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl Key {
    /// A key of any length.
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut scratch = Scratch::new();
        if key.len() > BLOCK {
            let hashed = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(key)));
            Self::of_block(&*hashed, &mut scratch.block)
        } else {
            Self::of_block(key, &mut scratch.block)
        }
    }

    /// Keyed by the outcome of the last [`Key::mac`].
    pub(crate) fn of_digest(scratch: &mut Scratch) -> Self {
        Self::of_block(&scratch.digest, &mut scratch.block)
    }

    fn of_block(key: &[u8], block: &mut [u8; BLOCK]) -> Self {
        let mut keyed = Self { inner: INITIAL, outer: INITIAL };
        block.fill(0x36);
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        compress256(&mut keyed.inner, std::slice::from_ref(block));
        block.iter_mut().for_each(|byte| *byte ^= 0x36 ^ 0x5c);
        compress256(&mut keyed.outer, std::slice::from_ref(block));
        keyed
    }

    /// Leaves the code of the message in the scratch.
    pub(crate) fn mac(&self, message: &[u8], scratch: &mut Scratch) {
        let Scratch { state, block, digest } = scratch;
        *state = self.inner;
        finish(state, message, block);
        write(state, digest);
        *state = self.outer;
        finish(state, digest, block);
        write(state, digest);
    }
}

/// Hashes a message, with its padding, behind one block that is hashed already.
fn finish(state: &mut [u32; 8], message: &[u8], block: &mut [u8; BLOCK]) {
    let (whole, rest) = message.as_chunks::<BLOCK>();
    compress256(state, whole);
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = 0x80;
    block[rest.len() + 1..].fill(0);
    if rest.len() + 9 > BLOCK {
        compress256(state, std::slice::from_ref(block));
        block.fill(0);
    }
    let bits = (BLOCK + message.len()) as u64 * 8;
    block[BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
    compress256(state, std::slice::from_ref(block));
}

fn write(state: &[u32; 8], digest: &mut [u8; 32]) {
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, KeyInit, Mac};
    use proptest::prelude::*;

    fn theirs(key: &[u8], message: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    fn ours(key: &[u8], message: &[u8]) -> [u8; 32] {
        let mut scratch = Scratch::new();
        Key::new(key).mac(message, &mut scratch);
        scratch.digest
    }

    #[test]
    fn every_length_around_a_block_as_another_implementation() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..=200 {
            assert_eq!(ours(&bytes[..length], b"message"), theirs(&bytes[..length], b"message"));
            assert_eq!(ours(b"key", &bytes[..length]), theirs(b"key", &bytes[..length]));
        }
    }

    proptest! {
        #[test]
        fn a_chain_as_another_implementation(
            key in proptest::collection::vec(any::<u8>(), 0..200),
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..5),
        ) {
            let mut scratch = Scratch::new();
            let mut expected = key.clone();
            let mut keyed = Key::new(&key);
            for message in &messages {
                keyed.mac(message, &mut scratch);
                expected = theirs(&expected, message).to_vec();
                prop_assert_eq!(&scratch.digest[..], &expected[..]);
                keyed = Key::of_digest(&mut scratch);
            }
        }
    }
}
