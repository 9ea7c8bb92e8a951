//! Targets of requests as the broker judges them: rules, a line each, then the target.

use countersign_broker::{Rule, let_through};
use hyper::{Method, Uri};

/// What is let through has one reading, and is let through again.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (rules, target) = text.rsplit_once('\n').unwrap_or(("GET /**", text));
    let rules: Vec<Rule> = rules.lines().filter_map(|line| line.parse().ok()).collect();
    for rule in &rules {
        assert_eq!(&rule.to_string().parse::<Rule>().expect("what we write we read"), rule);
    }
    let Ok(uri) = target.parse::<Uri>() else { return };
    let Some(sent) = let_through(&rules, &Method::GET, &uri) else { return };
    let path = sent.split('?').next().unwrap_or_default();
    assert!(path.starts_with('/') && !path.contains("//"), "{sent}");
    assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")), "{sent}");
    assert!(
        path.bytes().all(|byte| byte.is_ascii_graphic()) && !path.contains(['\\', ';']),
        "{sent}"
    );
    for escape in ["%2f", "%2e", "%5c", "%00", "%0a", "%25", "%3b", "%41"] {
        assert!(!path.to_ascii_lowercase().contains(escape), "{sent}");
    }
    let again = sent.parse().ok().and_then(|uri| let_through(&rules, &Method::GET, &uri));
    assert_eq!(again, Some(sent));
}
