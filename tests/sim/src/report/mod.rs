//! Results: a table on standard output, JSON and pictures in a folder.

pub(crate) mod svg;
pub(crate) mod table;

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use serde::Serialize;

use self::{
    svg::{Axis, Line, Scale},
    table::Table,
};
use crate::{
    columns::{Column, Kind},
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

/// Adds a scenario's rows to the table and to the results.
pub(crate) fn add(table: &mut Table, results: &mut Results, scenario: &Scenario, outcomes: &[(&Column, Outcome)]) {
    for (index, row) in scenario.rows.iter().enumerate() {
        let figures: Vec<_> = outcomes.iter().map(|(_, outcome)| Figure::of(&outcome.figures[index])).collect();
        table.rows.push((*row, figures.iter().map(|figure| figure.median).collect()));
        let names = outcomes.iter().map(|(column, _)| column.name.to_owned());
        results.rows.push(ResultRow {
            scenario: scenario.name.to_owned(),
            label: row.label.to_owned(),
            more_is_better: row.more_is_better,
            figures: names.zip(figures).collect(),
        });
    }
}

/// Writes a scenario's picture.
pub(crate) fn draw(folder: &Path, scenario: &Scenario, outcomes: &[(&Column, Outcome)]) -> anyhow::Result<()> {
    let line = |(column, outcome): &(&Column, Outcome)| Line {
        name: column.name.to_owned(),
        is_ours: column.kind == Kind::Ours,
        points: match scenario.chart {
            Chart::Bars => vec![(0.0, Figure::of(&outcome.figures[0]).median)],
            _ => outcome.line.clone(),
        },
    };
    let lines: Vec<_> = outcomes.iter().map(line).collect();
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
        Chart::Bars => svg::bars(scenario.title, scenario.rows[0].label, &lines),
    };
    write(folder, &format!("{}.svg", scenario.name), &picture)
}

/// Writes a file into the folder of results.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
