//! Mounts as the kubelet makes them: parts of one table only, whatever is swapped meanwhile.

use std::{
    os::unix::fs::symlink,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// What the kubelet does (`AtomicWriter`): a new directory, a link to it renamed over the former, the former directory removed.
fn swap(mount: &Path, version: &str, files: &[(&str, &[u8])]) {
    let name = format!("..{version}");
    fs::create_dir(mount.join(&name)).expect("a folder");
    for (key, bytes) in files {
        fs::write(mount.join(&name).join(key), bytes).expect("written");
    }
    let before = fs::read_link(mount.join(LINK));
    symlink(&name, mount.join("..data_tmp")).expect("a link");
    fs::rename(mount.join("..data_tmp"), mount.join(LINK)).expect("swapped");
    if let Ok(before) = before {
        fs::remove_dir_all(mount.join(before)).expect("removed");
    }
}

#[test]
fn gzip_is_told_from_text() {
    let folder = folder();
    let packed = [0x1f, 0x8b, 8, 0, 255];
    swap(folder.path(), "1", &[(POLICY_KEY, b"{}"), (ENDPOINTS_KEY, &packed)]);
    let Contents::Parts(parts) = read_linked(folder.path()) else { panic!("no parts") };
    assert_eq!(parts.binary_data[ENDPOINTS_KEY].0, packed);
    assert!(parts.data.contains_key(POLICY_KEY) && !parts.data.contains_key(ENDPOINTS_KEY));

    swap(folder.path(), "2", &[(POLICY_KEY, b"{}"), (ENDPOINTS_KEY, b"{\"backends\":{}}")]);
    let Contents::Parts(parts) = read_linked(folder.path()) else { panic!("no parts") };
    assert!(parts.data.contains_key(ENDPOINTS_KEY) && parts.binary_data.is_empty());
}

#[test]
fn what_is_no_table_is_said_with_its_place() {
    let folder = folder();
    let missing = read(&folder.path().join("not"), folder.path());
    assert!(matches!(&missing, Contents::Missing(reason) if reason.contains("there is no table")), "{missing:?}");
    swap(folder.path(), "1", &[]);
    assert!(matches!(read_linked(folder.path()), Contents::Missing(_)));
    for (version, bytes, what) in [("2", &[0xff, 0xfe][..], "UTF-8"), ("3", &vec![b' '; 2 << 20], "at most")] {
        swap(folder.path(), version, &[(POLICY_KEY, bytes)]);
        let contents = read_linked(folder.path());
        assert!(
            matches!(&contents, Contents::Unreadable(reason) if reason.contains(what) && reason.contains(POLICY_KEY)),
            "{contents:?}"
        );
    }
    fs::create_dir(folder.path().join(POLICY_KEY)).expect("a folder");
    let contents = read(folder.path(), folder.path());
    assert!(matches!(&contents, Contents::Unreadable(reason) if reason.contains("no regular file")), "{contents:?}");
}

#[test]
fn parts_of_two_tables_are_never_mixed() {
    let (folder, ends) = (folder(), AtomicBool::new(false));
    swap(folder.path(), "0", &[(POLICY_KEY, b"0"), (ENDPOINTS_KEY, b"0"), (FLEET_KEY, b"0")]);
    thread::scope(|scope| {
        scope.spawn(|| {
            for version in (1..).take_while(|_| !ends.load(Relaxed)) {
                let text = format!("{version}");
                let bytes = text.as_bytes();
                swap(folder.path(), &text, &[(POLICY_KEY, bytes), (ENDPOINTS_KEY, bytes), (FLEET_KEY, bytes)]);
            }
        });
        let mut whole = 0;
        while whole < 2_000 {
            match read_linked(folder.path()) {
                Contents::Parts(parts) => {
                    let texts: Vec<_> = parts.data.values().collect();
                    assert!(texts.len() == 3 && texts.iter().all(|text| *text == texts[0]), "{texts:?}");
                    whole += 1;
                }
                Contents::Unreadable(_) => {} // swapped three times while it was read
                Contents::Missing(reason) => panic!("{reason}"),
            }
        }
        ends.store(true, Relaxed);
    });
}
