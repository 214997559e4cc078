//! The table that our proxy serves: the pool with as many endpoints as asked for.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use evenkeel_crds::file;
use evenkeel_crds::table::{EndpointRow, Parts};

use super::place::Place;
use crate::works::BACKEND_PORTS;

/// Writes it as a mounted ConfigMap, the way in which a file's limit of endpoints does not hold, and gives the directory.
pub(super) fn write(place: &Place, endpoints: usize) -> anyhow::Result<PathBuf> {
    let path = &place.pool;
    let text = fs::read_to_string(path)?;
    let table = file::table(&text, None, 0);
    let mut table = table.map_err(|problems| anyhow!("{}: {}", path.display(), problems[0]))?;
    let rows = table.endpoints.backends.values_mut().next().context("a backend")?;
    let first = rows.first().context("an endpoint")?.clone();
    *rows = (0..endpoints).map(|number| endpoint(number, &first)).collect();
    mount(place, &Parts::encode(&table)?)
}

/// The four ports of the first address, then addresses of their own: the backend listens on all. A table may not name the loopback;
/// `tests/bench/run` makes these addresses local.
fn endpoint(number: usize, first: &EndpointRow) -> EndpointRow {
    if let Some(&port) = BACKEND_PORTS.get(number) {
        return EndpointRow { port, ..first.clone() };
    }
    let byte = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    let address = Ipv4Addr::new(10, 201, byte(1 + number / 250), byte(1 + number % 250)).into();
    EndpointRow { address, port: BACKEND_PORTS[0], ..first.clone() }
}

/// With the kubelet's link: then a look at the mount costs the proxy one system call.
fn mount(place: &Place, parts: &Parts) -> anyhow::Result<PathBuf> {
    let mount = place.run.join("table");
    let _ = fs::remove_dir_all(&mount); // of an earlier start, if there was one
    let folder = mount.join("..1");
    fs::create_dir_all(&folder)?;
    for (key, text) in &parts.data {
        fs::write(folder.join(key), text)?;
    }
    for (key, bytes) in &parts.binary_data {
        fs::write(folder.join(key), &bytes.0)?;
    }
    symlink("..1", mount.join("..data"))?;
    Ok(mount)
}
