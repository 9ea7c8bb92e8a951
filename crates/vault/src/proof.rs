//! A proof that a vault works, before a new secret relies on it.

use countersign_signing::{ApiId, ApiSecret, Pair};
use data_encoding::HEXLOWER;

use crate::error::{Kind as Failure, Step};
use crate::{Error, Random, Secret, Vault};

/// The name that probes are written under. Nothing else may be.
pub const PROBE: &str = ".probe";

/// A proof that ended halfway leaves its probe; after so long nobody is at it any more.
const STALE_MS: i64 = 3_600_000;

/// Writes a probe, reads it back through a handle opened anew, compares it, destroys
/// it, sees that it is gone, and removes its trace. The error says which step failed;
/// then this vault must not be given a secret.
pub fn prove(vault: &dyn Vault, random: &Random, now_ms: i64) -> Result<(), Error> {
    let failed = |step| {
        let vault = vault.place();
        move |cause| Error::new(Failure::Proof { step, vault, cause })
    };
    let with_cause = |step| {
        let failed = failed(step);
        move |cause| failed(Some(Box::new(cause)))
    };
    let probe = probe(random);
    let version = vault.put(PROBE, &probe, now_ms).map_err(with_cause(Step::Write))?;
    let anew = vault.reopen().map_err(with_cause(Step::Reopen))?;
    let read = anew.get_version(PROBE, version).map_err(with_cause(Step::Read))?;
    if read.id() != probe.id() || read != probe {
        return Err(failed(Step::Compare)(None));
    }
    vault.destroy(PROBE, version).map_err(with_cause(Step::Destroy))?;
    match anew.get_version(PROBE, version) {
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(with_cause(Step::Absence)(error)),
        Ok(_) => return Err(failed(Step::Absence)(None)),
    }
    vault.erase(PROBE, version).map_err(with_cause(Step::Erase))?;
    sweep(vault, now_ms).map_err(with_cause(Step::Erase))
}

/// What proofs left that ended halfway.
fn sweep(vault: &dyn Vault, now_ms: i64) -> Result<(), Error> {
    for entry in vault.versions(PROBE)? {
        if now_ms.saturating_sub(entry.created_ms) > STALE_MS {
            match vault.erase(PROBE, entry.version) {
                Err(error) if error.is_not_found() => {}
                other => other?,
            }
        }
    }
    Ok(())
}

fn probe(random: &Random) -> Secret {
    let (mut id, mut secret) = ([0; 16], vec![0; 64]);
    random(&mut id);
    random(&mut secret);
    let id = ApiId::parse(&HEXLOWER.encode(&id)).expect("hex digits are an id");
    Secret::Pair(Pair { id, secret: ApiSecret::from_bytes(secret) })
}
