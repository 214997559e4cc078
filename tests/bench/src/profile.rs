//! `profile`: the functions in which a request spends its instructions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::counted::{Subject, float, folder, instructions};
use crate::output::say;
use crate::rig::{Backend, Place};
use crate::works::Work;

/// Prints the costliest functions of a work; start and end of the proxy fall out.
pub(crate) fn run(place: &Place, work: &'static Work, shown: usize) -> anyhow::Result<()> {
    let _backend = Backend::start(place)?;
    let subject = Subject::evenkeel(work);
    let all = instructions(place, &subject)?;
    let (few, many) = work.counted;
    let before = functions(&folder(place, &subject, few))?;
    let after = functions(&folder(place, &subject, many))?;
    let each = |(name, count): (String, u64)| {
        let cost = count.saturating_sub(before.get(&name).copied().unwrap_or_default());
        (float(cost) / float(many - few), name)
    };
    let mut costs: Vec<_> = after.into_iter().map(each).collect();
    costs.sort_by(|one, other| other.0.total_cmp(&one.0));
    say(&format!("{all:.0} instructions a request, work {}", work.name))?;
    for (cost, name) in costs.iter().take(shown) {
        say(&format!("{cost:>8.0} {:>5.1} %  {name}", cost / all * 100.0))?;
    }
    Ok(())
}

/// Instructions of each function by itself, without what it calls.
fn functions(folder: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let files: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    let mut command = Command::new("callgrind_annotate");
    command.args(["--threshold=100", "--inclusive=no"]).args(files.iter().map(fs::DirEntry::path));
    let output = command.output().context("callgrind_annotate, of the package valgrind")?;
    if !output.status.success() {
        bail!("callgrind_annotate: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut counts = BTreeMap::new();
    for (name, count) in String::from_utf8_lossy(&output.stdout).lines().filter_map(row) {
        *counts.entry(name).or_default() += count;
    }
    Ok(counts)
}

/// `1,234,567 (12.34%)  file:function [object]`.
fn row(line: &str) -> Option<(String, u64)> {
    let (count, rest) = line.trim_start().split_once(" (")?;
    let (_, place) = rest.split_once("%)")?;
    let (_, function) = place.split_once(':')?;
    let function = function.rsplit_once(" [").map_or(function, |(function, _)| function);
    Some((function.trim().to_owned(), count.replace(',', "").parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_count_and_a_function() {
        let line = "  7,212,000 ( 5.33%)  ???:<http::header::map::HeaderMap<T>>::get2 [/target/quick/evenkeel-proxy]";
        assert_eq!(row(line), Some(("<http::header::map::HeaderMap<T>>::get2".into(), 7_212_000)));
        assert_eq!(row("135,000,000 (100.0%)  PROGRAM TOTALS"), None);
        assert_eq!(row("Ir"), None);
    }
}
