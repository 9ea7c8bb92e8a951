use std::os::unix::fs::symlink;

use countersign_files::{
    Created, Draft, Folders, Readers, create, edit, new_folder, read_back, write,
};
use zeroize::Zeroizing;

use super::*;

fn put(path: &Path, readers: Readers) -> Result<(), countersign_files::Error> {
    write(path, b"new", readers, &random())
}

fn add(path: &Path, folders: Folders, text: &str) -> Result<(), countersign_files::Error> {
    edit(path, folders, &random(), |before| Ok(Zeroizing::new(format!("{before}{text}"))))
}

const BOTH: [Readers; 2] = [Readers::Owner, Readers::Everybody];

#[test]
fn a_link_is_replaced_and_never_followed() {
    let scene = Scene::new();
    chmod(scene.0.path(), 0o1777);
    let victim = scene.file("victim", 0o600);
    for readers in BOTH {
        for target in [victim.as_path(), Path::new("nowhere")] {
            let link = scene.path("link");
            let _ = fs::remove_file(&link);
            symlink(target, &link).unwrap();
            give_away(&link);
            put(&link, readers).unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_file());
            assert_eq!(fs::read_to_string(&link).unwrap(), "new");
        }
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "text");
    assert_eq!(scene.names(), ["link", "victim"]);
}

#[test]
fn what_is_written_is_its_readers() {
    let scene = Scene::new();
    let path = scene.file("file", 0o666);
    put(&path, Readers::Owner).unwrap();
    assert_eq!((mode(&path), fs::read_to_string(&path).unwrap()), (0o600, "new".into()));
    put(&path, Readers::Everybody).unwrap();
    assert_eq!(mode(&path) & 0o133, 0, "others read it at most");
    assert_eq!(create(&path, b"mine", &random()).unwrap(), Created::Existed);
    assert_eq!(create(&scene.path("fresh"), b"mine", &random()).unwrap(), Created::New);
    assert_eq!(mode(&scene.path("fresh")), 0o600);
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    symlink("nowhere", scene.path("link")).unwrap();
    assert_eq!(create(&scene.path("link"), b"mine", &random()).unwrap(), Created::Existed);
    assert_eq!(scene.names(), ["file", "fresh", "link"]);
}

#[test]
fn a_folder_that_others_share_holds_no_secret() {
    let scene = Scene::new();
    let open = scene.folder("open", 0o777);
    let path = open.join("file");
    let told = told(put(&path, Readers::Owner));
    assert!(told.contains("others can write to the folder") && told.contains("chmod"), "{told}");
    put(&path, Readers::Everybody).unwrap();
    let below = open.join("below");
    fs::create_dir(&below).unwrap();
    for readers in BOTH {
        let error = put(&below.join("file"), readers).unwrap_err();
        assert!(error.is_exposed(), "others could put another folder there: {error}");
    }
    chmod(&open, 0o1777);
    for readers in BOTH {
        put(&path, readers).unwrap();
        put(&below.join("file"), readers).unwrap();
    }
    let away = scene.path("away");
    symlink(&below, &away).unwrap();
    if give_away(&away) {
        for readers in BOTH {
            assert!(put(&away.join("other"), readers).unwrap_err().is_exposed());
        }
    }
}

#[test]
fn what_is_no_file_is_not_replaced() {
    let scene = Scene::new();
    let (folder, pipe) = (scene.folder("folder", 0o700), scene.pipe("pipe"));
    for path in [&folder, &pipe] {
        for readers in BOTH {
            let told = told(put(path, readers));
            assert!(told.contains("not a regular file"), "{told}");
        }
    }
    for readers in BOTH {
        assert!(put(Path::new("/"), readers).is_err());
        assert!(put(&scene.path("absent/file"), readers).unwrap_err().is_missing());
    }
    assert!(folder.is_dir() && !fs::symlink_metadata(&pipe).unwrap().is_file());
}

#[test]
fn a_draft_has_a_name_that_nobody_knows_and_leaves_nothing() {
    let scene = Scene::new();
    let path = scene.path("file");
    let draft = Draft::create(&path, Readers::Owner, &random()).unwrap();
    assert_eq!(scene.names(), [".file.countersign-0101010101010101"]);
    assert_eq!(mode(&scene.path(&scene.names()[0])), 0o600);
    drop(draft);
    assert_eq!(scene.names(), [""; 0]);
    // Somebody was there first.
    let taken = scene.path(".file.countersign-0101010101010101");
    symlink(scene.path("victim"), &taken).unwrap();
    assert!(Draft::create(&path, Readers::Owner, &random()).is_err());
    assert!(!scene.path("victim").exists());
    fs::remove_file(&taken).unwrap();
    fs::write(&taken, "theirs").unwrap();
    assert!(Draft::create(&path, Readers::Owner, &random()).is_err());
    assert_eq!(fs::read_to_string(&taken).unwrap(), "theirs");
    let long = scene.path(&"n".repeat(250));
    put(&long, Readers::Owner).unwrap();
    assert!(long.exists());
}

#[test]
fn what_a_writer_that_died_left_is_swept_and_nothing_else() {
    let scene = Scene::new();
    let path = scene.path("file");
    let at_work = Draft::create(&path, Readers::Owner, &|buffer| buffer.fill(0xee)).unwrap();
    let kept = [
        ".fil.countersign-0011223344556677",
        ".file.countersign-",
        ".file.countersign-00112233445566zz",
    ];
    let left = ".file.countersign-0011223344556677";
    for name in kept.into_iter().chain([left]) {
        scene.file(name, 0o600);
    }
    put(&path, Readers::Owner).unwrap();
    assert!(!scene.path(left).exists());
    assert!(kept.iter().all(|name| scene.path(name).exists()));
    at_work.put(b"later").unwrap();
    at_work.settle().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "later", "who is at work goes on");
}

#[test]
fn a_new_folder_is_new() {
    let scene = Scene::new();
    let path = scene.path("folder");
    new_folder(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
    assert!(told(new_folder(&path)).contains("exists"));
    symlink(scene.path("nowhere"), scene.path("link")).unwrap();
    assert!(new_folder(&scene.path("link")).is_err());
    scene.folder("open", 0o777);
    assert!(new_folder(&scene.path("open/folder")).unwrap_err().is_exposed());
}

#[test]
fn a_secret_goes_where_its_name_says() {
    let scene = Scene::new();
    let (path, link) = (scene.path("file"), scene.path("link"));
    symlink(&path, &link).unwrap();
    assert!(told(add(&link, Folders::Sticky, "x")).contains("symbolic link"), "a dangling one");
    scene.file("file", 0o644);
    let refusal = told(add(&link, Folders::Sticky, "x"));
    assert!(refusal.contains("symbolic link") && refusal.contains(&*path.to_string_lossy()));
    assert!(told(read_back(&link)).contains("symbolic link"));
    assert!(told(add(scene.0.path(), Folders::Sticky, "x")).contains("not a regular file"));
    let absent = told(add(&scene.path("absent/file"), Folders::Sticky, "x"));
    assert!(absent.contains("cannot be used") && absent.contains("mkdir -m 700"), "{absent}");

    add(&path, Folders::OwnersAlone, "!").unwrap();
    assert_eq!((mode(&path), fs::read_to_string(&path).unwrap()), (0o600, "text!".into()));
    assert_eq!(read_back(&path).unwrap().unwrap().as_str(), "text!");
    assert!(read_back(&scene.path("absent")).unwrap().is_none());
    assert_eq!(scene.names(), ["file", "link"]);
}

#[test]
fn what_cannot_be_edited_stays() {
    let scene = Scene::new();
    let path = scene.file("file", 0o600);
    let refusal = told(edit(&path, Folders::Sticky, &random(), |_| Err("no".into())));
    assert!(refusal.contains("left as it is: no"), "{refusal}");
    for (bytes, word) in [(vec![0xff, 0xfe], "UTF-8"), (vec![b'x'; (1 << 20) + 1], "1 MiB")] {
        fs::write(&path, &bytes).unwrap();
        assert!(told(add(&path, Folders::Sticky, "x")).contains(word));
        assert!(told(read_back(&path)).contains(word));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    assert_eq!(scene.names(), ["file"]);
    if give_away(&path) {
        assert!(told(add(&path, Folders::Sticky, "x")).contains("somebody else"));
    }
}

#[test]
fn a_folder_of_everybody_is_for_those_who_choose_it() {
    let scene = Scene::new();
    let folder = scene.folder("folder", 0o700);
    for (mode, alone, sticky) in [
        (0o777, false, false),
        (0o770, false, false),
        (0o1777, false, true),
        (0o1775, false, true),
        (0o755, true, true),
    ] {
        chmod(&folder, mode);
        for (folders, is_fine) in [(Folders::OwnersAlone, alone), (Folders::Sticky, sticky)] {
            let outcome = add(&folder.join("file"), folders, "");
            assert_eq!(outcome.is_ok(), is_fine, "{mode:o} {folders:?}");
        }
    }
}
