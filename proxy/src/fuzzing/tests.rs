//! The corpora, replayed: what once was interesting stays right.

use std::{fs, path::Path};

use super::Target;

#[test]
fn what_must_hold_holds_for_every_file_of_the_corpora() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in Target::ALL {
        let entries = fs::read_dir(corpora.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
        files.sort();
        assert!((20..=100).contains(&files.len()), "{name} has {} files", files.len());
        for file in files {
            println!("{}", file.display()); // shown if it fails
            target.run(&fs::read(&file).expect("readable"));
        }
    }
}
