//! Files in which other tools keep credentials, and credentials that people paste.

use countersign_connector::keyfiles::paste::enter;
use countersign_connector::keyfiles::{DEFAULT_PROFILE, Form, Written};
use countersign_signing::Pair;

/// What is written into a file is read from it; another profile is never touched.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let pair = Pair::parse(&"01234567".repeat(4), &"89abcdef".repeat(16)).expect("a pair");
    let written = Written::of(&pair, "https://api.veracode.eu");
    let _ = Form::of(text);
    for form in [Form::Ini, Form::Variables, Form::Yaml] {
        let _ = form.read(text, DEFAULT_PROFILE);
        let other =
            form.read(text, "other").ok().flatten().map(|it| (it.id, it.secret.to_string()));
        if let Ok(after) = form.write(text, DEFAULT_PROFILE, &written) {
            assert!(form.holds(&after, DEFAULT_PROFILE, &written));
            if form == Form::Ini {
                let kept = form.read(&after, "other").ok().flatten();
                assert_eq!(kept.map(|it| (it.id, it.secret.to_string())), other);
            }
        }
        let _ = form.check_profile(text);
    }
    let (id, secret) = text.split_once('\n').unwrap_or((text, text));
    if let Ok(entered) = enter(id, secret) {
        let again = enter(&entered.pair.id.to_string(), &entered.pair.secret.expose_hex());
        assert_eq!(again.expect("it was one").pair, entered.pair);
    }
}
