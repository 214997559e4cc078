//! Tables as the operator publishes them, and mounts as the kubelet makes them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use evenkeel_crds::table::{EndpointRow, Parts, Policy};

use crate::pool::Pool;

/// The namespace of all pools here.
pub(crate) const NAMESPACE: &str = "shop";

/// The table of a pool, of that generation.
pub(crate) fn parts(pool: &Pool, generation: i64) -> Parts {
    grown(pool, generation, 0)
}

/// The same with so many more endpoints, of weight 0.
pub(crate) fn grown(pool: &Pool, generation: i64, more: u32) -> Parts {
    let mut table = evenkeel_crds::file::table(&pool.yaml(), None, 0).unwrap();
    table.policy.namespace = NAMESPACE.into();
    table.policy.generation = generation;
    table.policy.revision = Policy::digest(&serde_json::to_value(&table.policy).unwrap());
    let rows = table.endpoints.backends.values_mut().next().unwrap();
    let row = |number: u32| EndpointRow {
        address: std::net::Ipv4Addr::from(0x0b00_0000 + number).into(),
        pod: format!("{:08x}", number.wrapping_mul(0x9e37_79b9)), // as different as UIDs are
        weight: 0,
        ..rows[0].clone()
    };
    let extra: Vec<_> = (0..more).map(row).collect();
    rows.extend(extra);
    Parts::encode(&table).unwrap()
}

/// A mounted ConfigMap.
pub(crate) struct Mount {
    pub(crate) path: PathBuf,
    version: AtomicU64,
}

impl Mount {
    /// A volume without contents, as of a ConfigMap that is optional and not there.
    pub(crate) fn empty(path: &Path) -> Self {
        fs::create_dir(path).unwrap();
        let mount = Self::of(path);
        mount.put(&Parts::default());
        mount
    }

    /// A directory that is there already.
    pub(crate) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), version: AtomicU64::new(0) }
    }

    /// What the kubelet does (`AtomicWriter`): a new directory, a link to it renamed over the former, that one removed, and a
    /// link to each key.
    pub(crate) fn put(&self, parts: &Parts) {
        let target = format!("..{}", self.version.fetch_add(1, Relaxed));
        let new = self.path.join(&target);
        fs::create_dir(&new).unwrap();
        let text = parts.data.iter().map(|(key, text)| (key, text.as_bytes()));
        for (key, bytes) in text.chain(parts.binary_data.iter().map(|(key, bytes)| (key, &*bytes.0))) {
            fs::write(new.join(key), bytes).unwrap();
            let _ = symlink(Path::new("..data").join(key), self.path.join(key)); // it is there from the second time on
        }
        let link = self.path.join("..data");
        let before = fs::read_link(&link);
        symlink(&target, self.path.join("..data_tmp")).unwrap();
        fs::rename(self.path.join("..data_tmp"), &link).unwrap();
        if let Ok(before) = before {
            fs::remove_dir_all(self.path.join(before)).unwrap();
        }
    }
}
