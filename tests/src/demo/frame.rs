//! One picture of the running demo: as a table for a terminal, or as a line.

use super::judge::percent;
use super::text::{WIDTH, thousands, time, wrap};

/// A bar of this length is the whole traffic.
const BAR: u64 = 20;

/// What there is to see at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    /// The pool's address, `host:port`.
    pub(crate) address: String,
    /// The address of `/status`.
    pub(crate) admin: String,
    /// The pool's file.
    pub(crate) file: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) traffic: Traffic,
    /// What the proxy says is in force; none if it does not answer.
    pub(crate) policy: Option<Policy>,
    /// Why the file is not in force.
    pub(crate) refusal: Option<String>,
}

/// A backend.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) backend: String,
    pub(crate) endpoints: String,
    pub(crate) weight: u32,
    /// Answers in the last second.
    pub(crate) second: u64,
    /// Answers since the start.
    pub(crate) total: u64,
}

/// All requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic {
    /// Requests in the last second.
    pub(crate) second: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Since the start.
    pub(crate) total: u64,
    /// Since the start.
    pub(crate) failed: u64,
    /// Failures since the start by kind.
    pub(crate) kinds: String,
}

/// What is in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) generation: i64,
    pub(crate) revision: String,
    /// Seconds since it came in force.
    pub(crate) age: u64,
}

/// How to make text stand out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    /// By colours, sparingly.
    Colour,
    /// Not at all.
    Plain,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn red(self, text: &str) -> String {
        self.paint("31", text)
    }
}

impl Frame {
    /// The lines of a table, for a terminal of so many columns.
    pub(crate) fn table(&self, style: Style, columns: usize) -> Vec<String> {
        let width = columns.min(WIDTH);
        let mut lines = self.head(style);
        lines.push(style.dim(&columns_of("backend", "endpoint", "weight", "share of the last second", "requests")));
        let second = self.rows.iter().map(|row| row.second).sum();
        lines.extend(self.rows.iter().map(|row| row.line(second)));
        lines.push(String::new());
        lines.push(self.traffic.line(style));
        lines.extend(self.policy_lines(style, width));
        lines.push(String::new());
        lines.push(style.dim("  Ctrl-C ends all of it."));
        lines
    }

    fn head(&self, style: Style) -> Vec<String> {
        let Self { address, admin, file, .. } = self;
        let mut lines = vec![
            style.bold("Evenkeel demo"),
            format!("  traffic to  http://{address}/"),
            format!("  status      http://{admin}/status"),
            String::new(),
            "Change a weight in the pool's file; the shares follow within a second:".to_owned(),
        ];
        lines.push(format!("  ${{EDITOR:-vi}} {file}"));
        lines.push(String::new());
        lines
    }

    fn policy_lines(&self, style: Style, width: usize) -> Vec<String> {
        let mut lines = vec![match &self.policy {
            Some(policy) => policy.line(),
            None => style.red("  the proxy does not tell its status"),
        }];
        if let Some(refusal) = &self.refusal {
            lines.push(String::new());
            lines.push(style.red("  The file is refused; the last good one stays in force:"));
            lines.extend(wrap(refusal, "  ", width));
        }
        lines
    }

    /// The same in a line.
    pub(crate) fn line(&self) -> String {
        let second = self.rows.iter().map(|row| row.second).sum();
        let share = |row: &Row| format!("{} {} -> {:.1} %", row.backend, row.weight, percent(row.second, second));
        let shares: Vec<_> = self.rows.iter().map(share).collect();
        let Traffic { second, p50_ms, total, failed, .. } = &self.traffic;
        let revision = self.policy.as_ref().map_or("unknown", Policy::short);
        format!(
            "{} | {second}/s, p50 {p50_ms:.1} ms, failed {failed} of {total} | revision {revision}",
            shares.join(", ")
        )
    }
}

impl Row {
    /// `second`: what all backends answered.
    fn line(&self, second: u64) -> String {
        let share = percent(self.second, second);
        let bar = "#".repeat(bar(self.second, second));
        let share = format!("{share:>5.1} %  {bar}");
        columns_of(&self.backend, &self.endpoints, &self.weight.to_string(), &share, &thousands(self.total))
    }
}

/// How long the bar of a part is: rounded, but never nothing for something.
fn bar(part: u64, whole: u64) -> usize {
    let length = (part * BAR + whole / 2) / whole.max(1);
    usize::try_from(length.max(part.min(1))).unwrap_or(0)
}

/// A row of the table, in less than 80 columns if its texts are not too long.
fn columns_of(backend: &str, endpoint: &str, weight: &str, share: &str, total: &str) -> String {
    let (backend, endpoint) = (cut(backend, 12), cut(endpoint, 18));
    format!("  {backend:<12} {endpoint:<18} {weight:>7}  {share:<27}{total:>9}")
}

/// The text, or its beginning.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 2).chain("..".chars()).collect()
}

impl Traffic {
    fn line(&self, style: Style) -> String {
        let Self { second, p50_ms, p99_ms, total, failed, kinds } = self;
        let (count, total) = (thousands(*failed), thousands(*total));
        let failures = match failed {
            0 => format!("0 failed of {total}"),
            _ => style.red(&format!("{count} failed of {total} ({})", cut(kinds, 40))),
        };
        format!("  {second} requests/s, p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, {failures}")
    }
}

impl Policy {
    fn line(&self) -> String {
        let (generation, revision, age) = (self.generation, self.short(), time(self.age));
        format!("  in force for {age}: revision {revision}, generation {generation}")
    }

    /// Enough of the revision to tell it from others.
    fn short(&self) -> &str {
        self.revision.get(..8).unwrap_or(&self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        let row = |backend: &str, port: u16, weight, second, total| Row {
            backend: backend.to_owned(),
            endpoints: format!("127.0.0.1:{port}"),
            weight,
            second,
            total,
        };
        let rows =
            [row("stable", 9101, 70, 141, 1_234_567), row("canary", 9102, 30, 59, 5_678), row("next", 9103, 0, 0, 0)];
        Frame {
            rows: rows.into(),
            traffic: Traffic { second: 200, p50_ms: 0.44, p99_ms: 1.26, total: 1_240_245, ..Traffic::default() },
            policy: Some(Policy { generation: 0, revision: "0123456789abcdef".to_owned(), age: 61 }),
            ..Frame::default()
        }
    }

    #[test]
    fn the_table_fits_and_its_columns_are_aligned() {
        let mut frame = frame();
        frame.refusal =
            Some("pool.yaml:16: spec.backends[1].weight: a weight is a whole number from 0 to 1000000".into());
        let lines = frame.table(Style::Plain, 200);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:#?}");
        let table: Vec<_> =
            lines.iter().filter(|line| line.contains("127.0.0.1") || line.contains("backend ")).collect();
        assert_eq!(table.len(), 4, "{lines:#?}");
        assert!(table.iter().all(|line| line.len() == table[0].len()), "{table:#?}");
        assert!(table[1].contains(" 70.5 %  ##############  "), "{table:#?}");
        assert!(table[3].contains("  0.0 %   "), "{table:#?}");
    }

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        assert_eq!(
            [(0, 0), (0, 9), (1, 1000), (801, 1000), (9, 9)].map(|(part, whole)| bar(part, whole)),
            [0, 0, 1, 16, 20]
        );
    }

    #[test]
    fn failures_and_refusals_are_told() {
        let mut frame = frame();
        frame.traffic = Traffic { failed: 3, kinds: "3 status_502".to_owned(), ..frame.traffic };
        frame.refusal = Some("pool.yaml:16: no".to_owned());
        let text = frame.table(Style::Colour, 80).join("\n");
        assert!(text.contains("\x1b[31m3 failed of 1,240,245 (3 status_502)\x1b[0m"), "{text}");
        assert!(text.contains("refused") && text.contains("  pool.yaml:16: no"), "{text}");
    }

    #[test]
    fn a_line_has_the_same_in_short() {
        let line = frame().line();
        let expected = "stable 70 -> 70.5 %, canary 30 -> 29.5 %, next 0 -> 0.0 % \
            | 200/s, p50 0.4 ms, failed 0 of 1240245 | revision 01234567";
        assert_eq!(line, expected);
    }
}
