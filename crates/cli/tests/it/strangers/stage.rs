//! A folder that a stranger may enter, and the stranger.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::program::{countersign, stdout, wait_until};

/// A user without a name.
pub(super) const STRANGER: u32 = 54_321;

pub(super) struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    /// None where nobody can become somebody else.
    pub(super) fn set() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "CI runs these tests as root");
            // Past what catches the output of tests.
            let note = "SKIPPED: only root becomes another user of the machine";
            let _ = writeln!(std::io::stderr(), "{note}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        chmod(folder.path(), 0o755);
        let stage = Self { folder };
        fs::write(stage.victim(), "as it was").unwrap();
        chmod(&stage.victim(), 0o640);
        Some(stage)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn folder(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        chmod(&path, mode);
        path
    }

    /// What links of the stranger lead to.
    pub(super) fn victim(&self) -> PathBuf {
        self.path("victim")
    }

    #[track_caller]
    pub(super) fn assert_victim_is_well(&self) {
        let met = fs::symlink_metadata(self.victim()).unwrap();
        assert!(met.is_file());
        assert_eq!((met.mode() & 0o7777, met.uid(), met.gid()), (0o640, 0, 0));
        assert_eq!(fs::read_to_string(self.victim()).unwrap(), "as it was");
    }

    /// One of ours, with its temporary files where the stranger looks for them.
    pub(super) fn command(&self, home: &Path) -> Command {
        let mut command = countersign(home);
        command.env("TMPDIR", self.folder("tmp", 0o1777));
        command
    }

    pub(super) fn run(&self, home: &Path, args: &[&str]) -> Output {
        self.command(home).args(args).output().unwrap()
    }

    #[track_caller]
    pub(super) fn well(&self, home: &Path, args: &[&str]) -> String {
        let output = self.run(home, args);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {told}");
        stdout(&output)
    }

    /// The secret through standard input.
    #[track_caller]
    pub(super) fn keep(&self, home: &Path, args: &[&str], secret: &str) {
        let mut command = self.command(home);
        command.args(args).arg("--client-secret-stdin");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// One that stays, once its ready file is its own.
    pub(super) fn start(&self, home: &Path, args: &[&str], ready: &Path) -> Staying {
        let mut command = self.command(home);
        command.args(args).arg("--ready-file").arg(ready).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        wait_until("a ready file", || {
            assert!(child.try_wait().unwrap().is_none(), "{args:?} ended");
            is_ours(ready)
        });
        let ready = serde_json::from_slice(&fs::read(ready).unwrap()).unwrap();
        Staying { child, ready }
    }
}

/// Killed when the test is done with it.
pub(super) struct Staying {
    pub(super) child: Child,
    pub(super) ready: Value,
}

impl Staying {
    pub(super) fn text(&self, name: &str) -> String {
        self.ready[name].as_str().unwrap_or_else(|| panic!("no `{name}`")).to_owned()
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A regular file of this user's, and no link to one.
pub(super) fn is_ours(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|met| met.is_file() && met.uid() == 0)
}

pub(super) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(super) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

pub(super) fn give_away(path: &Path) {
    lchown(path, Some(STRANGER), Some(STRANGER)).unwrap();
}

/// What the stranger's shell prints; `args` are `$1` and so on.
pub(super) fn stranger(script: &str, args: &[&Path]) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).args(args).current_dir("/").env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    // Without the groups of root, which go with the user.
    command.uid(STRANGER).gid(STRANGER).stdin(Stdio::null()).stderr(Stdio::null());
    stdout(&command.output().unwrap())
}

#[test]
fn the_stranger_is_somebody_else() {
    let Some(stage) = Stage::set() else { return };
    assert_eq!(stranger("id -u; id -g; id -G", &[]), "54321\n54321\n54321\n");
    let told = stranger(
        "cat \"$1\" || echo no; touch \"$2\" && echo yes",
        &[&stage.victim(), &stage.folder("shared", 0o1777).join("mine")],
    );
    assert_eq!(told, "no\nyes\n");
}
