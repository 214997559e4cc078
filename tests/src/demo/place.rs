//! Where the pool's file lies: the user's own file, or a copy of the example below `target/`, so that the checkout stays clean.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::Context as _;
use tempfile::TempDir;

/// A file, and the directory from which its name is told.
#[derive(Debug)]
pub(crate) struct Place {
    directory: PathBuf,
    name: PathBuf,
    /// Removed at the end, with the file in it.
    _temporary: Option<TempDir>,
}

impl Place {
    /// The user's file, named as the user does.
    pub(crate) fn own(name: &Path) -> anyhow::Result<Self> {
        Ok(Self { directory: env::current_dir()?, name: name.to_owned(), _temporary: None })
    }

    /// A file of that name in `target/demo`, to stay there.
    pub(crate) fn lasting(name: &str) -> anyhow::Result<Self> {
        let name = demo_directory()?.join(name);
        Ok(Self { name: relative(&name), directory: env::current_dir()?, _temporary: None })
    }

    /// `pool.yaml` in a directory of its own, which is removed at the end.
    pub(crate) fn temporary() -> anyhow::Result<Self> {
        let parent = demo_directory()?;
        let directory = tempfile::Builder::new().prefix("run-").tempdir_in(&parent);
        let directory = directory.with_context(|| format!("cannot make a directory in {}", parent.display()))?;
        let name = relative(&directory.path().join("pool.yaml"));
        Ok(Self { name, directory: env::current_dir()?, _temporary: Some(directory) })
    }

    /// The same file, told from the directory that it lies in: a short name for short messages.
    pub(crate) fn with_short_name(self) -> Self {
        let path = self.path();
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Self { directory: parent.to_owned(), name: name.into(), ..self },
            _ => self,
        }
    }

    /// The directory that the name starts from.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The name, as messages have it.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// What the file holds now.
    pub(crate) fn read(&self) -> anyhow::Result<String> {
        fs::read_to_string(self.path()).with_context(|| format!("cannot read {}", self.name.display()))
    }

    /// Replaces the file in one step: nobody reads half of it.
    pub(crate) fn write(&self, text: &str) -> anyhow::Result<()> {
        let path = self.path();
        let half = path.with_extension("yaml.new");
        fs::write(&half, text)
            .and_then(|()| fs::rename(&half, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// `target/demo`: the directory that this program was built in is marked as a cache, by cargo.
fn demo_directory() -> anyhow::Result<PathBuf> {
    let program = env::current_exe().context("cannot find this program's own path")?;
    let target = program.ancestors().find(|directory| directory.join("CACHEDIR.TAG").exists());
    let target = target.context("this program lies in no target directory: run it by `make demo`, or name a --file")?;
    let directory = target.join("demo");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}

/// As short as a user here would type it.
fn relative(path: &Path) -> PathBuf {
    let here = env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    below.unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_file_goes_with_its_directory() {
        let place = Place::temporary().unwrap().with_short_name();
        place.write("a").unwrap();
        place.write("b").unwrap();
        assert_eq!((place.read().unwrap().as_str(), place.name()), ("b", Path::new("pool.yaml")));
        let directory = place.directory().to_owned();
        drop(place);
        assert!(!directory.exists());
    }
}
