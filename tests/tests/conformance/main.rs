//! Conformance vectors: what every implementation of Evenkeel's rules must give, whoever wrote it. See `tests/conformance/README.md`.
//!
//! `CONFORMANCE_DIR=…` runs the vectors of another directory.

#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used)] // clippy knows a test by its attribute, not the functions it calls

mod choice;
mod compare;
mod numbers;
mod tables;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A file of vectors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What is tried.
    mechanism: String,
    /// What holds of it, for people.
    #[serde(rename = "about")]
    _about: String,
    vectors: Vec<Vector>,
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    /// Where the expected values come from.
    source: String,
    /// Of what is random; 0: nothing is, and everything begins in the order in which it is listed.
    #[serde(default)]
    seed: u64,
    inputs: Value,
    expected: Value,
}

/// What came out, or why the vector cannot be run.
type Found = Result<Value, String>;

impl Vector {
    /// Runs one mechanism.
    fn with<I: DeserializeOwned, O: Serialize>(&self, run: impl FnOnce(&I, u64) -> O) -> Found {
        let inputs = I::deserialize(&self.inputs).map_err(|error| format!("inputs: {error}"))?;
        serde_json::to_value(run(&inputs, self.seed)).map_err(|error| error.to_string())
    }

    fn run(&self, mechanism: &str) -> Found {
        match mechanism {
            "backends" => self.with(choice::backends),
            "boundedLoad" => self.with(numbers::bounded_load),
            "choice" => self.with(choice::choice),
            "estimate" => self.with(numbers::estimate),
            "maglev" => self.with(tables::maglev),
            "movement" => self.with(tables::movement),
            "rendezvous" => self.with(tables::rendezvous),
            "ring" => self.with(tables::ring),
            "score" => self.with(numbers::score),
            "slowStart" => self.with(numbers::slow_start),
            other => Err(format!("there is no mechanism {other:?}")),
        }
    }
}

/// What is wrong with the vectors of a directory, and how many there are.
fn run(directory: &Path) -> Result<(usize, Vec<String>), String> {
    let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let (mut count, mut wrong) = (0, Vec::new());
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let read: File = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        for vector in &read.vectors {
            count += 1;
            let verdict = match vector.run(&read.mechanism) {
                Ok(found) => compare::difference("expected", &vector.expected, &found),
                Err(error) => Some(error),
            };
            if let Some(difference) = verdict {
                let (file, Vector { name, source, .. }) = (file.display(), vector);
                wrong.push(format!("{file}: {name} ({source}): {difference}"));
            }
        }
    }
    if count == 0 {
        return Err(format!("there are no vectors in {}; give another directory", directory.display()));
    }
    Ok((count, wrong))
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

#[test]
fn every_vector_gives_what_it_promises() {
    let directory = std::env::var_os("CONFORMANCE_DIR").map_or_else(here, PathBuf::from);
    let (count, wrong) = run(&directory).unwrap_or_else(|error| panic!("{error}"));
    println!("{count} vectors in {}", directory.display());
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_directory_without_vectors_and_a_vector_that_nobody_can_run_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(folder.path()).unwrap_err().contains("no vectors"));
    assert!(run(&folder.path().join("nowhere")).is_err());
    let write = |text: &str| fs::write(folder.path().join("a.json"), text).unwrap();
    write(r#"{"mechanism": "slowStart", "about": "", "vectors": []}"#);
    assert!(run(folder.path()).unwrap_err().contains("no vectors"));
    write("{}");
    assert!(run(folder.path()).unwrap_err().contains("mechanism"));
    for (mechanism, inputs, expected, part) in [
        ("jump", "{}", "{}", "no mechanism \"jump\""),
        ("slowStart", "{}", "{}", "inputs: missing field"),
        ("slowStart", r#"{"windowMs":1000,"minPercent":1,"agesMs":[0],"x":1}"#, "{}", "unknown field"),
        ("slowStart", r#"{"windowMs":1000,"minPercent":1,"agesMs":[0]}"#, "{}", "nothing is expected"),
        ("slowStart", r#"{"windowMs":1000,"minPercent":1,"agesMs":[0]}"#, r#"{"thousandths":[7]}"#, "7"),
    ] {
        let vector = format!(r#"{{"name":"n","source":"s","inputs":{inputs},"expected":{expected}}}"#);
        write(&format!(r#"{{"mechanism":"{mechanism}","about":"","vectors":[{vector}]}}"#));
        let (count, wrong) = run(folder.path()).unwrap();
        assert!(count == 1 && wrong.len() == 1 && wrong[0].contains(part), "{wrong:?}");
    }
}
