//! Copies: what was written comes back, and nothing else does.

use proptest::prelude::*;

use super::*;

fn pool() -> PoolName {
    PoolName { namespace: "shop".into(), name: "web".into() }
}

fn parts() -> Parts {
    Parts {
        data: [("policy.json".into(), r#"{"pool":"web"}"#.into()), ("fleet.json".into(), "{}".into())].into(),
        binary_data: [("endpoints".into(), ByteString((0..=255).collect()))].into(),
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn a_copy_comes_back_as_it_was_and_replaces_the_former_one() {
    let folder = folder();
    let path = folder.path().join("made/on/the/way/shop.web.json");
    write(&path, &pool(), &Parts::default()).expect("written");
    write(&path, &pool(), &parts()).expect("written");
    assert_eq!(read(&path, &pool()).expect("read"), parts());
    let files = fs::read_dir(path.parent().expect("a folder")).expect("a folder").count();
    assert_eq!(files, 1, "nothing is left beside it");
}

#[test]
fn a_copy_of_another_pool_or_of_another_version_is_none() {
    let other = PoolName { name: "other".into(), ..pool() };
    let bytes = encode(&other, &parts()).expect("encodes");
    assert!(matches!(decode(&bytes, &pool()), Err(CopyError::Pool(found)) if found == other));
    let newer = String::from_utf8(encode(&pool(), &parts()).expect("encodes")).expect("text");
    let newer = newer.replace(r#""version":1"#, r#""later":{},"version":2"#);
    let error = decode(newer.as_bytes(), &pool()).expect_err("newer");
    assert_eq!(error.to_string(), "version 2 is none that this release reads");
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    assert!(matches!(read(Path::new("/dev/zero"), &pool()), Err(CopyError::TooLarge)));
    let mut parts = parts();
    parts.data.insert("endpoints".into(), "x".repeat(5 << 20));
    let folder = folder();
    let path = folder.path().join("shop.web.json");
    assert!(matches!(write(&path, &pool(), &parts), Err(CopyError::TooLarge)));
    assert!(matches!(read(&path, &pool()), Err(CopyError::Io(_))), "what could not be read is not written");
}

#[test]
fn the_largest_table_fits() {
    // JSON in JSON: every other character a quote.
    let mut parts = Parts::default();
    parts.data.insert("endpoints".into(), "\"a".repeat(512 * 1024));
    let bytes = encode(&pool(), &parts).expect("encodes");
    assert!((bytes.len() as u64) < MAX_BYTES, "{} bytes", bytes.len());
}

proptest! {
    /// Cut off, or with any byte changed: it is refused, or it says the same.
    #[test]
    fn damage_is_found_out(cut in 0usize..10_000, place in 0usize..10_000, byte in any::<u8>()) {
        let bytes = encode(&pool(), &parts()).expect("encodes");
        prop_assert!(decode(&bytes[..cut % bytes.len()], &pool()).is_err());
        let mut changed = bytes.clone();
        let place = place % bytes.len();
        changed[place] = byte;
        if let Ok(read) = decode(&changed, &pool()) {
            prop_assert_eq!(read, parts(), "byte {} as {}", place, byte);
        }
    }

    #[test]
    fn any_bytes_are_no_reason_to_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes, &pool()).is_err());
    }
}
