//! The table: rows of what is measured, columns of rules; the best of a row and who is within a tenth of it are marked.

use std::fmt::Write as _;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) label: &'static str,
    pub(crate) decimals: usize,
    pub(crate) more_is_better: bool,
    /// Differences below this mean nothing to anybody.
    pub(crate) slack: f64,
}

impl Row {
    /// A row in which less is better.
    pub(crate) const fn new(label: &'static str, decimals: usize, slack: f64) -> Self {
        Self { label, decimals, more_is_better: false, slack }
    }
}

/// Figures of several rules.
#[derive(Debug)]
pub(crate) struct Table {
    /// A name, and whether it takes part: the ideal does not.
    pub(crate) columns: Vec<(String, bool)>,
    pub(crate) rows: Vec<(Row, Vec<f64>)>,
}

/// How good a figure is in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    Best,
    Close,
    Behind,
    /// It does not take part.
    Apart,
}

impl Rank {
    fn mark(self) -> char {
        match self {
            Self::Best => '*',
            Self::Close => '+',
            Self::Behind | Self::Apart => ' ',
        }
    }
}

impl Table {
    /// An empty one for rules with these names, and whether they take part.
    pub(crate) fn new<'a>(columns: impl Iterator<Item = (&'a str, bool)>) -> Self {
        Self { columns: columns.map(|(name, part)| (name.to_owned(), part)).collect(), rows: Vec::new() }
    }

    /// The ranks of a row's figures.
    pub(crate) fn ranks(&self, row: &Row, figures: &[f64]) -> Vec<Rank> {
        let sign = if row.more_is_better { -1.0 } else { 1.0 };
        let part = figures.iter().zip(&self.columns).filter(|(figure, (_, part))| *part && figure.is_finite());
        let best = sign * part.map(|(figure, _)| sign * figure).fold(f64::INFINITY, f64::min);
        let rank = |(figure, (_, part)): (&f64, &(String, bool))| {
            let behind = sign * (figure - best);
            match *part && figure.is_finite() {
                false => Rank::Apart,
                true if behind <= 0.0 => Rank::Best,
                true if behind <= (best.abs() / 10.0).max(row.slack) => Rank::Close,
                true => Rank::Behind,
            }
        };
        figures.iter().zip(&self.columns).map(rank).collect()
    }

    /// In how many rows each column is best or close.
    pub(crate) fn wins(&self) -> Vec<usize> {
        let mut wins = vec![0; self.columns.len()];
        for (row, figures) in &self.rows {
            for (wins, rank) in wins.iter_mut().zip(self.ranks(row, figures)) {
                *wins += usize::from(matches!(rank, Rank::Best | Rank::Close));
            }
        }
        wins
    }

    /// As text.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{:37}", "");
        for (name, _) in &self.columns {
            let _ = write!(text, " {name:>9}");
        }
        for (row, figures) in &self.rows {
            let _ = write!(text, "\n{:37}", row.label);
            for (figure, rank) in figures.iter().zip(self.ranks(row, figures)) {
                let _ = if figure.is_finite() {
                    write!(text, "{figure:>9.*}{}", row.decimals, rank.mark())
                } else {
                    write!(text, "{:>9} ", "-")
                };
            }
        }
        let _ = write!(text, "\n{:37}", format!("rows best or within 10 %, of {}", self.rows.len()));
        for wins in self.wins() {
            let _ = write!(text, "{wins:>9} ");
        }
        text + "\n"
    }
}
