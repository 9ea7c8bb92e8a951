//! In a process of its own: the memory of Argon2 does not grow with those who sign in.
#![cfg(target_os = "linux")]

use countersign_signin::Hasher;

fn kib(name: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    let number = line.split_whitespace().next().expect("a number");
    number.parse().expect("a number")
}

#[test]
fn it_does_not_grow_however_many_sign_in_at_once() {
    let hasher = Hasher::default();
    let before = kib("VmRSS:");
    std::thread::scope(|scope| {
        for number in 0..16_u8 {
            let hasher = hasher.clone();
            scope.spawn(move || {
                let salt = |buffer: &mut [u8]| buffer.fill(number);
                for _ in 0..3 {
                    hasher.place(true).unwrap().hash("plum-Kettle7-orbit", &salt).unwrap();
                }
            });
        }
    });
    let more_mib = (kib("VmHWM:") - before) / 1024;
    assert!(more_mib < 30, "{more_mib} MiB more; one block takes 19");
}
