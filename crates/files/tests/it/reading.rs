use std::os::unix::fs::symlink;

use countersign_files::{Secrecy, Trusted, check, folder, read_text, trust};

use super::*;

fn text(path: &Path, secrecy: Secrecy) -> Result<String, countersign_files::Error> {
    read_text(path, secrecy, 1 << 10).map(|text| text.to_string())
}

/// Judged alike, whether it is opened or not.
#[track_caller]
fn refused(path: &Path, secrecy: Secrecy, words: &[&str]) {
    for outcome in [text(path, secrecy).map(drop), check(path, secrecy)] {
        let error = outcome.unwrap_err();
        assert!(error.is_exposed(), "{error}");
        let told = error.to_string();
        assert!(words.iter().all(|word| told.contains(word)), "{words:?}: {told}");
    }
}

#[test]
fn files_that_others_can_write_to() {
    let scene = Scene::new();
    for mode in [0o606, 0o620, 0o666, 0o602] {
        let path = scene.file("file", mode);
        let fix = format!("hint: run `chmod go-w {}`", path.display());
        refused(&path, Secrecy::Open, &["others can write", &format!("{mode:o}"), &fix]);
        let fix = format!("hint: run `chmod 600 {}`", path.display());
        refused(&path, Secrecy::Secret, &["others can write", &fix]);
    }
    for mode in [0o600, 0o400, 0o644] {
        assert_eq!(text(&scene.file("file", mode), Secrecy::Open).unwrap(), "text");
    }
}

#[test]
fn folders_on_the_way_that_others_can_write_to() {
    let scene = Scene::new();
    let (above, below) = (scene.folder("above", 0o755), scene.folder("above/below", 0o755));
    let path = scene.file("above/below/file", 0o600);
    for mode in [0o777, 0o775, 0o757, 0o720] {
        for folder in [&above, &below] {
            chmod(folder, mode);
            let fix = format!("hint: run `chmod go-w {}`", folder.display());
            refused(&path, Secrecy::Open, &["others can write to the folder", &fix]);
            chmod(folder, 0o755);
        }
    }
    for folder in [&above, &below] {
        chmod(folder, 0o1777);
        assert_eq!(text(&path, Secrecy::Key).unwrap(), "text", "nobody renames what is ours");
        chmod(folder, 0o755);
    }
}

#[test]
fn a_home_is_no_sticky_folder() {
    let scene = Scene::new();
    let home = scene.folder("home", 0o755);
    assert_eq!(folder(&home).unwrap(), home.canonicalize().unwrap());
    for mode in [0o777, 0o1777, 0o770, 0o707] {
        chmod(&home, mode);
        let fix = format!("chmod go-w {}", home.display());
        let told = told(folder(&home));
        assert!(told.contains("others can write to the folder") && told.contains(&fix), "{told}");
    }
    let made = folder(&scene.path("a/b")).unwrap();
    assert_eq!((mode(&made), mode(made.parent().unwrap())), (0o700, 0o700));
    assert!(told(folder(&scene.file("file", 0o600))).contains("is not a folder"));
}

#[test]
fn secrets_that_others_can_read() {
    let scene = Scene::new();
    chmod(scene.0.path(), 0o755);
    for mode in [0o644, 0o640, 0o604, 0o601] {
        let path = scene.file("secret", mode);
        let fix = format!("hint: run `chmod 600 {}`", path.display());
        refused(&path, Secrecy::Key, &["others can read", &fix]);
        refused(&path, Secrecy::Secret, &["others can read", &fix]);
    }
    chmod(scene.0.path(), 0o700);
    let path = scene.path("secret");
    assert_eq!(text(&path, Secrecy::Secret).unwrap(), "text", "nobody comes that far");
    refused(&path, Secrecy::Key, &["others can read"]);
    chmod(&path, 0o600);
    assert_eq!(text(&path, Secrecy::Key).unwrap(), "text");
}

#[test]
fn what_belongs_to_others() {
    let scene = Scene::new();
    let path = scene.file("file", 0o600);
    if !give_away(&path) {
        return;
    }
    let fix = format!("hint: run `chown 0 {}`", path.display());
    refused(&path, Secrecy::Open, &["another user (uid 54321)", &fix]);
    let home = scene.folder("home", 0o700);
    let path = scene.file("home/file", 0o600);
    give_away(&home);
    refused(&path, Secrecy::Open, &["home` belongs to another user"]);
    assert!(told(folder(&home)).contains(&format!("chown -R 0 {}", home.display())));
    let below = told(folder(&home.join("below")));
    assert!(below.contains("another user") && !home.join("below").exists(), "{below}");
}

#[test]
fn links_of_others_are_not_followed() {
    let scene = Scene::new();
    let (file, folder) = (scene.file("file", 0o600), scene.folder("folder", 0o700));
    scene.file("folder/file", 0o600);
    let (to_file, to_folder) = (scene.path("to-file"), scene.path("to-folder"));
    symlink(&file, &to_file).unwrap();
    symlink("folder", &to_folder).unwrap();
    let through = to_folder.join("../to-folder/file");
    for path in [&to_file, &through] {
        assert_eq!(text(path, Secrecy::Key).unwrap(), "text", "our own are");
    }
    symlink(&folder, scene.path("again")).unwrap();
    fs::remove_file(&to_file).unwrap();
    symlink("to-file", &to_file).unwrap();
    assert!(told(text(&to_file, Secrecy::Open)).contains("too many links"));
    fs::remove_file(&to_file).unwrap();
    symlink(&file, &to_file).unwrap();
    if give_away(&to_file) && give_away(&to_folder) {
        refused(&to_file, Secrecy::Open, &["symbolic link of another user", "rm "]);
        refused(&through, Secrecy::Open, &["symbolic link of another user"]);
    }
}

#[test]
fn where_a_link_leads_is_judged() {
    let scene = Scene::new();
    let open = scene.folder("open", 0o777);
    scene.file("open/file", 0o600);
    symlink(open.join("file"), scene.path("link")).unwrap();
    refused(&scene.path("link"), Secrecy::Open, &["others can write to the folder"]);
}

#[test]
fn what_is_no_file() {
    let scene = Scene::new();
    let pipe = scene.pipe("pipe");
    assert!(told(text(&pipe, Secrecy::Open)).contains("not a regular file"), "and nothing waits");
    assert!(told(text(scene.0.path(), Secrecy::Open)).contains("not a regular file"));
    assert!(text(&scene.path("absent"), Secrecy::Open).unwrap_err().is_missing());
    assert!(text(&scene.path("absent/file"), Secrecy::Open).unwrap_err().is_missing());
    assert!(check(&scene.path("absent"), Secrecy::Key).is_ok());
    let long = scene.path("long");
    fs::write(&long, "x".repeat((1 << 10) + 1)).unwrap();
    assert!(told(text(&long, Secrecy::Open)).contains("larger than 1 KiB"));
    fs::write(&long, [0xff]).unwrap();
    assert!(told(text(&long, Secrecy::Open)).contains("not UTF-8"));
}

/// Of a process, so that no other test may need this user to be a stranger.
#[test]
fn whom_somebody_trusts() {
    const FRIEND: u32 = 54_322;
    trust(Trusted { users: vec![FRIEND], groups: vec![FRIEND] });
    let scene = Scene::new();
    let home = scene.folder("home", 0o2770);
    let path = scene.file("home/file", 0o660);
    if lchown(&path, None, Some(FRIEND)).is_err() {
        return;
    }
    refused(&path, Secrecy::Open, &["others can write to the folder"]);
    lchown(&home, Some(FRIEND), Some(FRIEND)).unwrap();
    assert_eq!(text(&path, Secrecy::Key).unwrap(), "text");
    chmod(&path, 0o662);
    refused(&path, Secrecy::Open, &["others can write"]);
}
