//! One signed header: ours, the crate `veracode-platform`'s, and the floor, which
//! is the SHA-256 compressions that the scheme needs for this request.

use std::hint::black_box;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use countersign_signing::{Pair, Request, Signer, split_url};
use sha2::block_api::compress256;

use crate::median;
use crate::peer::Signer as Peer;

const ROUNDS: usize = 21;
const CALLS: u32 = 20_000;
const URL: &str = "https://api.veracode.com/appsec/v2/applications/\
    8c1c35f0-4a4a-4f2b-8f5a-0a8c4b5d6e7f/findings?scan_type=STATIC&page=3&size=500";

pub fn run() -> anyhow::Result<()> {
    let (id, secret) = ("0123456789abcdef".repeat(2), "0123456789abcdef".repeat(8));
    let signer = Signer::new(&Pair::parse(&id, &secret)?);
    let mut peer = Peer::start((&id, &secret), URL, CALLS)?;

    let ours = || {
        let (host, target) = split_url(black_box(URL)).expect("a URL");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let nonce = crate::nonce();
        let now = u64::try_from(now.as_millis()).expect("before the year 500 million");
        signer.authorize(&Request::new("GET", host, target), now, &nonce).expect("signs")
    };
    ensure!(ours().len() == peer.sign()?.0, "both make the same header");

    let compressions = compressions(id.len());
    let mut state = [0x6a09_e667_u32; 8];
    let block = [[0x5a_u8; 64]];
    let mut floor = || {
        for _ in 0..compressions {
            compress256(black_box(&mut state), black_box(&block));
        }
    };

    // Taking turns, so that whatever else the machine does meets all three.
    let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        a.push(nanoseconds(|| drop(black_box(ours()))));
        b.push(peer.sign()?.1);
        c.push(nanoseconds(&mut floor));
    }
    let (ours, theirs, floor) = (median(a), median(b), median(c));
    println!("one header, median of {ROUNDS} rounds of {CALLS}");
    println!("ours               {ours:8.0} ns");
    println!("veracode-platform  {theirs:8.0} ns");
    println!("floor              {floor:8.0} ns  ({compressions} SHA-256 compressions)");
    println!("veracode-platform / ours  {:.2}  (aim: at least 3)", theirs / ours);
    println!("ours / floor              {:.2}  (aim: at most 1.6)", ours / floor);
    Ok(())
}

fn nanoseconds(mut act: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        act();
    }
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

/// Step one is keyed by the secret, whose two key blocks are known before. Every
/// later step hashes an inner and an outer key block, its message, and the
/// inner hash.
fn compressions(id: usize) -> usize {
    let blocks = |bytes: usize| (bytes + 9).div_ceil(64);
    let (host, target) = split_url(URL).expect("a URL");
    let canonical = "id=&host=&url=&method=GET".len() + id + host.len() + target.len();
    let (nonce, timestamp, version) = (16, 13, "vcode_request_version_1".len());
    let outer = blocks(32);
    blocks(nonce)
        + outer
        + [timestamp, version, canonical]
            .map(|bytes| 2 + blocks(bytes) + outer)
            .iter()
            .sum::<usize>()
}
