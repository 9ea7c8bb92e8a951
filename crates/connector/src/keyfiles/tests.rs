//! What is written can be read, and everything else stays as it was.

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;

const FORMS: [Form; 3] = [Form::Ini, Form::Variables, Form::Yaml];

fn some_pair() -> impl Strategy<Value = Pair> {
    ("[0-9a-f]{32}", "[0-9a-f]{128}").prop_map(|(id, secret)| Pair::parse(&id, &secret).unwrap())
}

fn some_url() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("https://api.veracode.com".to_owned()),
        Just("https://api.veracode.eu".to_owned()),
        Just("https://api.veracode.us".to_owned()),
        "https://[a-z]{1,9}\\.example:[1-9][0-9]{3}",
        "http://127\\.0\\.0\\.1:[1-9][0-9]{3}",
    ]
}

fn some_profile() -> impl Strategy<Value = String> {
    prop_oneof![Just(DEFAULT_PROFILE.to_owned()), "[A-Za-zé#;=:][A-Za-z0-9é #;=:._-]{0,12}[a-z]"]
}

/// Sections as files have them: comments, blanks, indented lines, a pair of old.
fn some_ini(profile: &str) -> impl Strategy<Value = String> + use<> {
    let comment = prop_oneof![Just(String::new()), "[#;] [a-z\\[\\]=]{0,9}"];
    let value = "[ ]?[a-z%][a-z0-9=:\\[\\]#; ]{0,9}";
    let key = prop_oneof![
        4 => "[a-z]{1,6}",
        1 => Just("veracode_api_key_id".to_owned()),
        1 => Just("Veracode_API_Key_Secret".to_owned()),
    ];
    let more = prop::option::weighted(0.3, "    [ ]{0,3}[a-z\\[\\]=]{1,9}");
    let entry = (key, "[=:]|( [=:] )", value, more, comment.clone());
    let entries = prop::collection::vec(entry, 0..5);
    let section = (prop_oneof![Just(profile.to_owned()), "[A-Z][a-z]{0,5}"], "[ ]{0,3}", entries);
    (comment, prop::collection::vec(section, 0..4), prop::bool::ANY, prop::bool::ANY).prop_map(
        |(comment, sections, is_windows, is_ended)| {
            let mut lines = vec![comment];
            let mut names = std::collections::BTreeSet::new();
            for (name, indent, entries) in sections {
                if !names.insert(name.clone()) {
                    continue;
                }
                lines.push(format!("[{name}]"));
                let mut keys = std::collections::BTreeSet::new();
                for (key, delimiter, value, more, comment) in entries {
                    if keys.insert(key.to_lowercase()) {
                        lines.push(format!("{indent}{key}{delimiter}{value}"));
                        lines.extend(more);
                        lines.push(comment);
                    }
                }
            }
            joined(&lines, is_windows, is_ended)
        },
    )
}

fn some_variables() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => "(export )?[A-Z]{1,6}=[a-z0-9/: ]{0,9}",
        2 => "#[ A-Z=]{0,9}",
        1 => Just(String::new()),
        1 => Just("[not a variable]".to_owned()),
        1 => Just("export VERACODE_API_ID='old'  # of last year".to_owned()),
        1 => Just("  VERACODE_API_KEY_SECRET=\"old\"".to_owned()),
        1 => Just("VERACODE_OVERRIDE_API_BASE_URL=https://old.example".to_owned()),
    ];
    (prop::collection::vec(line, 0..8), prop::bool::ANY, prop::bool::ANY).prop_map(
        |(mut lines, is_windows, is_ended)| {
            let mut names = std::collections::BTreeSet::new();
            lines.retain(|line| !line.contains("VERACODE") || names.insert(line.clone()));
            joined(&lines, is_windows, is_ended)
        },
    )
}

fn some_yaml() -> impl Strategy<Value = String> {
    let other = prop_oneof![
        "[a-z]{3}[0-9]: [a-z0-9]{0,9}",
        "#[ a-z:]{0,9}",
        Just(String::new()),
        Just("list:\n  - one\n  - api: two".to_owned()),
        Just("text: |\n  api:\n    key-id: not this one".to_owned()),
    ];
    let member = prop_oneof![
        Just("key-id: 0123  # old"),
        Just("key-secret: 'it''s old'"),
        Just("override-api-base-url: \"https://old.example\""),
        Just("override-api-base-url:"),
        Just("timeout: 30"),
        Just("# a comment"),
        Just("nested:\n          key-id: deeper"),
    ];
    let api = prop::option::of((prop::collection::vec(member, 0..5), "[ ]{1,4}"));
    let others = || prop::collection::vec(other.clone(), 0..3);
    (others(), api, others(), prop::bool::ANY, prop::bool::ANY).prop_map(
        |(before, api, after, is_windows, is_ended)| {
            let mut lines = before;
            if let Some((members, indent)) = api {
                lines.push("api: # of the command line".into());
                let mut keys = std::collections::BTreeSet::new();
                lines.extend(
                    members
                        .iter()
                        .filter(|member| keys.insert(member.split(':').next().unwrap().to_owned()))
                        .map(|member| format!("{indent}{member}")),
                );
            }
            lines.extend(after);
            joined(&lines, is_windows, is_ended)
        },
    )
}

fn joined(lines: &[String], is_windows: bool, is_ended: bool) -> String {
    let mut text = lines.join("\n");
    if is_ended && !text.is_empty() {
        text.push('\n');
    }
    if is_windows { text.replace('\n', "\r\n") } else { text }
}

/// The lines of a text that hold neither a half of a pair nor its URL.
fn others(text: &str) -> Vec<&str> {
    const OURS: [&str; 5] =
        ["veracode_api_key", "key-id", "key-secret", "override-api-base-url", "veracode_override"];
    let is_ours = |line: &str| OURS.iter().any(|ours| line.to_lowercase().contains(ours));
    text.lines()
        .filter(|line| !is_ours(line) && !line.to_lowercase().contains("veracode_api_id"))
        .collect()
}

/// Writes, reads, enters: the same pair, of the same region, for the same URL.
fn round_trip(form: Form, text: &str, profile: &str, pair: &Pair, url: &str) -> Zeroizing<String> {
    let written = form.write(text, profile, &Written::of(pair, url)).unwrap();
    let read = form.read(&written, profile).unwrap().unwrap();
    let entered = paste::enter(&read.id, &read.secret).map(|entered| entered.pair).ok().unwrap();
    assert_eq!(entered, *pair);
    let region = Region::of_rest_host(url.trim_start_matches("https://"));
    assert_eq!(entered.region(), region.unwrap_or(Region::Commercial));
    if form != Form::Ini {
        assert_eq!(read.url.as_deref(), region.is_none().then_some(url));
    }
    let again = form.write(&written, profile, &Written::of(pair, url)).unwrap();
    assert_eq!(*again, *written, "a second time changes nothing");
    let by_another = Written::of(&Pair::parse(&"ab".repeat(16), &"cd".repeat(64)).unwrap(), url);
    let rotated = form.write(&written, profile, &by_another).unwrap();
    assert!(!rotated.contains(&*pair.secret.expose_hex()), "the old pair is still there");
    written
}

proptest! {
    #[test]
    fn into_nothing(pair in some_pair(), url in some_url(), profile in some_profile()) {
        for form in FORMS {
            let written = round_trip(form, "", &profile, &pair, &url);
            prop_assert_eq!(Form::of(&written), Some(form), "{}", *written);
        }
    }

    #[test]
    fn into_sections(
        (profile, text) in some_profile().prop_flat_map(|p| { let text = some_ini(&p); (Just(p), text) }),
        pair in some_pair(),
        url in some_url(),
    ) {
        let written = round_trip(Form::Ini, &text, &profile, &pair, &url);
        // What goes on with an entry that was replaced goes with it.
        let mut left = others(&written).into_iter();
        for line in others(&text).iter().filter(|line| !line.starts_with("    ")) {
            prop_assert!(left.any(|other| other == *line), "{line:?} is gone from {:?}", *written);
        }
        for other in ["Abc", "Q", "elsewhere"].iter().filter(|other| **other != profile) {
            let kept = |text: &str| Form::Ini.read(text, other).unwrap().map(|w| (w.id, w.secret));
            prop_assert_eq!(kept(&text), kept(&written));
        }
    }

    #[test]
    fn into_variables(text in some_variables(), pair in some_pair(), url in some_url()) {
        let written = round_trip(Form::Variables, &text, DEFAULT_PROFILE, &pair, &url);
        prop_assert_eq!(others(&written), others(&text));
    }

    #[test]
    fn into_yaml(text in some_yaml(), pair in some_pair(), url in some_url()) {
        let written = round_trip(Form::Yaml, &text, DEFAULT_PROFILE, &pair, &url);
        let mut left = others(&written);
        if !text.contains("api: #") {
            left.retain(|line| *line != "api:" || text.lines().any(|other| other == *line));
        }
        prop_assert_eq!(left, others(&text));
    }

    /// Whatever stands in the file: the pair is in it afterwards, or it is refused.
    #[test]
    fn into_anything(
        text in "([\\[\\]a-z=:#'\" \t\r\n|>{}&*-]|api:|\n|key-id: |\\[default\\]|veracode_api_key_id){0,40}",
        pair in some_pair(),
    ) {
        let pair = Written::of(&pair, "https://other.example");
        for form in FORMS {
            if let Ok(written) = form.write(&text, DEFAULT_PROFILE, &pair) {
                let read = form.read(&written, DEFAULT_PROFILE).unwrap().unwrap();
                prop_assert_eq!((&read.id, &read.secret), (&pair.id, &pair.secret));
            }
            let _ = form.read(&text, DEFAULT_PROFILE);
        }
    }
}

fn read(form: Form, text: &str, profile: &str) -> Option<(String, String)> {
    let written = form.read(text, profile).unwrap()?;
    Some((written.id, written.secret.to_string()))
}

#[test]
fn sections_keep_their_case_and_keys_do_not_matter_in_theirs() {
    let text = "\u{feff}[Default]\nveracode_api_key_id=no\n[default]\n Veracode_API_key_ID = a1\n\
                veracode_api_key_secret:b2\n[other]\nveracode_api_key_id = c3\n";
    assert_eq!(read(Form::Ini, text, "default"), Some(("a1".into(), "b2".into())));
    assert_eq!(read(Form::Ini, text, "other"), None, "half a pair is none");
    assert_eq!(read(Form::Ini, text, "absent"), None);
}

#[test]
fn the_former_name_of_the_default_profile_counts_where_there_is_no_other() {
    let old = "[greenlight]\nveracode_api_key_id = a1\nveracode_api_key_secret = b2\n";
    assert_eq!(read(Form::Ini, old, "default"), Some(("a1".into(), "b2".into())));
    assert_eq!(read(Form::Ini, &format!("{old}[default]\n"), "default"), None);
    assert_eq!(read(Form::Ini, old, "other"), None);
}

#[test]
fn what_stands_in_the_section_for_all_counts_in_each() {
    let text = "[DEFAULT]\nveracode_api_key_secret = b2\n[ci]\nveracode_api_key_id = a1\n";
    assert_eq!(read(Form::Ini, text, "ci"), Some(("a1".into(), "b2".into())));
    assert_eq!(read(Form::Ini, text, "absent"), None);
}

#[test]
fn a_key_that_goes_on_in_the_next_line_is_put_together() {
    let text = "[default]\nveracode_api_key_id = a1\n  # no\n  a2\nveracode_api_key_secret = b2\n";
    assert_eq!(read(Form::Ini, text, "default"), Some(("a1\na2".into(), "b2".into())));
}

#[test]
fn a_file_that_its_tools_refuse_is_refused() {
    let pair = Written::of(
        &Pair::parse(&"ab".repeat(16), &"cd".repeat(64)).unwrap(),
        "https://api.veracode.com",
    );
    for (form, text, word) in [
        (Form::Ini, "veracode_api_key_id = a1\n", "line 1"),
        (Form::Ini, "[a]\nno entry\n", "line 2"),
        (Form::Ini, "[a]\n[b]\n[a]\n", "line 3"),
        (Form::Ini, "[a]\nx = 1\nX = 2\n", "line 3"),
        (Form::Ini, "[a]\rx = 1\n", "carriage return"),
        (Form::Variables, "VERACODE_API_ID=1\nVERACODE_API_ID=2\n", "line 2"),
        (Form::Variables, "PEM=\"first\nsecond\"\n", "quotation"),
        (Form::Yaml, "api: {key-id: a1}\n", "lines of their own"),
        (Form::Yaml, "api:\n  key-id: |\n    a1\n", "line 2"),
        (Form::Yaml, "api:\n  key-id: &a a1\n", "line 2"),
        (Form::Yaml, "api:\n  key-id: a1\n  key-id: a2\n", "line 3"),
        (Form::Yaml, "api:\napi:\n", "line 2"),
        (Form::Yaml, "api:\n\tkey-id: a1\n", "tabs"),
        (Form::Yaml, "api:\n    a: 1\n  key-id: a1\n", "line 3"),
        (Form::Yaml, "a: 1\n---\napi:\n", "line 2"),
        (Form::Yaml, "---\n  key-id: a1\n", "line 2"),
        (Form::Yaml, "- api\n", "line 1"),
        (Form::Yaml, "{}\n", "line 1"),
    ] {
        let told = form.write(text, DEFAULT_PROFILE, &pair).unwrap_err();
        assert!(told.contains(word), "{text:?}: {told}");
    }
    for profile in ["", " a", "a]", "[a", "a\nb", "DEFAULT"] {
        assert!(Form::Ini.write("", profile, &pair).is_err(), "{profile:?}");
    }
}

#[test]
fn yaml_in_every_quotation() {
    for (text, wanted) in [
        ("---\napi:\n  key-id: a1\n  key-secret: b2 # old\n", Some(("a1", "b2"))),
        (
            "# x\n\"api\":\n    'key-id': 'a''1'\n    key-secret: \"b\\\"2\" # y\n",
            Some(("a'1", "b\"2")),
        ),
        ("api:\n  key-id: ''\n  key-secret: b2\n", None),
        ("api:\n  key-id: ~\n  key-secret: null\n", None),
        ("other:\n  key-id: a1\n  key-secret: b2\n", None),
        ("api:\n  key-id: a1\nkey-secret: b2\n", None),
    ] {
        let wanted = wanted.map(|(id, secret)| (id.to_owned(), secret.to_owned()));
        assert_eq!(read(Form::Yaml, text, ""), wanted, "{text}");
    }
}

#[test]
fn forms_are_told_apart() {
    for (text, form) in [
        ("\u{feff}\n; x\n[default]\n", Some(Form::Ini)),
        ("# x\nexport VERACODE_API_ID=1\n", Some(Form::Variables)),
        ("VERACODE_API_KEY_ID=a:b\n", Some(Form::Variables)),
        ("---\napi:\n", Some(Form::Yaml)),
        ("package-manager: npm\napi:\n", Some(Form::Yaml)),
        ("", None),
        ("<xml/>", None),
        ("a1b2\n", None),
    ] {
        assert_eq!(Form::of(text), form, "{text:?}");
    }
}
