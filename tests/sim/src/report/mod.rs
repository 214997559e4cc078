//! Results: a table on standard output, JSON and pictures in a folder.

pub(crate) mod svg;
pub(crate) mod table;

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use serde::Serialize;

pub(crate) use self::table::Row;
use self::{
    svg::{Axis, Line, Scale},
    table::Table,
};
use crate::{
    columns::Kind,
    run::{Figure, Outcome},
    scenarios::{Chart, Scenario},
};

/// All figures, for programs.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Results {
    pub(crate) seed: u64,
    pub(crate) seeds: u64,
    pub(crate) rows: Vec<ResultRow>,
}

/// A row of the table.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResultRow {
    pub(crate) scenario: String,
    pub(crate) label: String,
    pub(crate) more_is_better: bool,
    /// By the rule's name.
    pub(crate) figures: BTreeMap<String, Figure>,
}

/// A rule's figures, under its name.
pub(crate) type Named = (&'static str, Kind, Outcome);

/// Adds a scenario's rows to the table and to the results.
pub(crate) fn add(table: &mut Table, results: &mut Results, scenario: &str, rows: &[Row], outcomes: &[Named]) {
    for (index, row) in rows.iter().enumerate() {
        let figures: Vec<_> = outcomes.iter().map(|(_, _, outcome)| Figure::of(&outcome.figures[index])).collect();
        table.rows.push((*row, figures.iter().map(|figure| figure.median).collect()));
        results.rows.push(ResultRow {
            scenario: scenario.to_owned(),
            label: row.label.to_owned(),
            more_is_better: row.more_is_better,
            figures: outcomes
                .iter()
                .map(|(name, ..)| (*name).to_owned())
                .zip(figures)
                .filter(|(_, figure)| figure.median.is_finite())
                .collect(),
        });
    }
}

/// Writes a scenario's picture.
pub(crate) fn draw(folder: &Path, scenario: &Scenario, outcomes: &[Named]) -> anyhow::Result<()> {
    let drawn = outcomes.iter().filter(|(_, _, outcome)| !outcome.line.is_empty());
    let lines: Vec<_> = drawn.map(|(name, kind, outcome)| line(name, *kind, outcome.line.clone())).collect();
    let latency = Axis { label: "latency, ms".into(), scale: Scale::Log };
    let picture = match scenario.chart {
        Chart::Percentiles(_) => {
            let percentile = Axis { label: "percentile".into(), scale: Scale::Nines };
            svg::lines(scenario.title, &percentile, &latency, &lines)
        }
        Chart::OverTime { label, .. } => {
            let [time, value] = ["seconds", label].map(|label| Axis { label: label.into(), scale: Scale::Linear });
            svg::lines(scenario.title, &time, &value, &lines)
        }
        Chart::Bars => return draw_bars(folder, scenario.name, scenario.title, (0, scenario.rows[0].label), outcomes),
    };
    write(folder, &format!("{}.svg", scenario.name), &picture)
}

/// Writes a picture of one row's figures.
pub(crate) fn draw_bars(
    folder: &Path,
    name: &str,
    title: &str,
    (row, label): (usize, &str),
    outcomes: &[Named],
) -> anyhow::Result<()> {
    let bar = |(name, kind, outcome): &Named| line(name, *kind, vec![(0.0, Figure::of(&outcome.figures[row]).median)]);
    let is_drawn = |(_, kind, outcome): &&Named| *kind != Kind::Bound && outcome.figures[row][0].is_finite();
    let bars: Vec<_> = outcomes.iter().filter(is_drawn).map(bar).collect();
    write(folder, &format!("{name}.svg"), &svg::bars(title, label, &bars))
}

fn line(name: &str, kind: Kind, points: Vec<(f64, f64)>) -> Line {
    Line { name: name.to_owned(), is_ours: kind == Kind::Ours, points }
}

/// Writes a file into the folder of results.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
