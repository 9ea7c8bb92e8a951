//! Locks, databases, sockets' folders.

use std::os::unix::fs::symlink;

use countersign_files::{closed_folder, database, lock_file};

use super::*;

#[test]
fn locks_are_their_owners_alone() {
    let scene = Scene::new();
    for mode_before in [0o644, 0o666, 0o600, 0o640] {
        scene.file("lock", mode_before);
        let held = lock_file(&scene.path("lock")).unwrap();
        held.try_lock().unwrap();
        assert_eq!(mode(&scene.path("lock")), 0o600, "{mode_before:o}");
        assert_eq!(fs::read_to_string(scene.path("lock")).unwrap(), "text");
    }
    drop(lock_file(&scene.path("fresh")).unwrap());
    assert_eq!(mode(&scene.path("fresh")), 0o600);

    let victim = scene.file("victim", 0o644);
    for (name, target) in [("to-victim", victim.as_path()), ("to-nothing", Path::new("made"))] {
        symlink(target, scene.path(name)).unwrap();
        assert!(lock_file(&scene.path(name)).is_err());
    }
    assert!(mode(&victim) == 0o644 && !scene.path("made").exists());
    assert!(told(lock_file(&scene.folder("folder", 0o700))).contains("failed to open"));
    if give_away(&scene.path("lock")) {
        assert!(lock_file(&scene.path("lock")).unwrap_err().is_exposed());
    }
    for mode in [0o777, 0o1777] {
        scene.folder("open", mode);
        for make in
            [|path: &Path| lock_file(path).map(drop), |path: &Path| database(path).map(drop)]
        {
            let path = scene.path("open/file");
            assert!(make(&path).unwrap_err().is_exposed(), "others could plant one");
            assert!(!path.exists());
        }
        fs::remove_dir(scene.path("open")).unwrap();
    }
}

#[test]
fn databases_and_what_is_beside_them() {
    let scene = Scene::new();
    let path = scene.path("store.sqlite");
    let real = scene.0.path().canonicalize().unwrap().join("store.sqlite");
    assert_eq!(database(&path).unwrap(), real);
    assert_eq!(mode(&path), 0o600);
    for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm", "store.sqlite-journal"] {
        for open in [0o666, 0o660, 0o602] {
            scene.file(name, open);
            let told = told(database(&path));
            assert!(told.contains("others can write") && told.contains(name), "{told}");
        }
        scene.file(name, 0o644);
        database(&path).unwrap();
        assert_eq!(mode(&scene.path(name)), 0o600, "whoever reads it could lock it");
        if give_away(&scene.path(name)) {
            assert!(database(&path).unwrap_err().is_exposed());
        }
        fs::remove_file(scene.path(name)).unwrap();
        symlink("elsewhere", scene.path(name)).unwrap();
        assert!(database(&path).is_err(), "{name}");
        assert!(!scene.path("elsewhere").exists());
        fs::remove_file(scene.path(name)).unwrap();
    }
    let kept = scene.file("kept", 0o600);
    let _ = fs::remove_file(&path);
    symlink(&kept, &path).unwrap();
    assert_eq!(database(&path).unwrap(), kept.canonicalize().unwrap(), "our own link");
    if give_away(&path) {
        assert!(database(&path).unwrap_err().is_exposed());
    }
}

#[test]
fn a_closed_folder_is_entered_by_nobody_else() {
    let scene = Scene::new();
    let path = closed_folder(&scene.path("made")).unwrap();
    assert_eq!(mode(&path), 0o700);
    for open in [0o701, 0o750, 0o777, 0o710, 0o1777] {
        chmod(&path, open);
        let told = told(closed_folder(&path));
        assert!(told.contains("others can enter") && told.contains("chmod 700"), "{told}");
    }
    chmod(&path, 0o700);
    symlink(&path, scene.path("link")).unwrap();
    assert_eq!(closed_folder(&scene.path("link")).unwrap(), path);
    if give_away(&scene.path("link")) {
        assert!(closed_folder(&scene.path("link")).unwrap_err().is_exposed());
    }
    let open = scene.folder("open", 0o777);
    fs::create_dir(open.join("inner")).unwrap();
    chmod(&open.join("inner"), 0o700);
    assert!(closed_folder(&open.join("inner")).unwrap_err().is_exposed(), "it could be swapped");
}
