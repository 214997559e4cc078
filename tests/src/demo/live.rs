//! Interactive: steady traffic, and a table redrawn each second, until a signal.

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context as _;
use evenkeel_tests::load::{self, Counts, Event, LoadReport, Settings, Stop};
use evenkeel_tests::signals::EndSignals;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::frame::{Frame, Policy, Row, Style, Traffic};
use super::options::Options;
use super::pool::{Backend, Pool};
use super::stand::Stand;
use super::status::PoolStatus;
use super::terminal::Screen;
use super::text::{thousands, time};

/// Requests a second: enough for steady shares, next to nothing for a machine.
const RATE: f64 = 200.0;
const CONCURRENCY: usize = 16;
/// Reports that wait to be shown: if the terminal is stopped, later ones are left out.
const REPORTS: usize = 2;

/// The running demo and what was last seen of it.
struct Live {
    stand: Stand,
    screen: Option<Screen>,
    style: Style,
    /// The file in force.
    pool: Pool,
    /// The refusal that was last told, where lines are printed.
    told: Option<String>,
}

/// Shows the demo until a signal; then ends it and says how it went.
pub(crate) async fn run(options: &Options, mut signals: EndSignals) -> anyhow::Result<ExitCode> {
    let stand = Stand::start(options).await?;
    let settings = Settings { rate: Some(RATE), stop: Stop::Signal, concurrency: CONCURRENCY, ..stand.traffic() };
    let mut live = Live::new(stand)?;
    let stop = CancellationToken::new();
    let (traffic, mut reports) = start(settings, stop.clone());
    let result = tokio::select! {
        result = live.watch(&mut reports) => result,
        _ = signals.next() => Ok(()),
    };
    drop(live.screen.take());
    signals.exit_at_next();
    stop.cancel();
    let summary = traffic.await?;
    let told = live.in_a_line(&summary);
    let ended = live.stand.end().await;
    result?;
    writeln!(io::stdout(), "{told}")?;
    ended.map(|()| ExitCode::SUCCESS)
}

/// Starts the traffic, which reports each second.
fn start(settings: Settings, stop: CancellationToken) -> (JoinHandle<LoadReport>, mpsc::Receiver<LoadReport>) {
    let (sender, reports) = mpsc::channel(REPORTS);
    let tell = move |event: Event<'_>| {
        if let Event::Second(report) = event {
            let _ = sender.try_send(report.clone());
        }
    };
    (tokio::spawn(async move { load::run(settings, &stop, tell).await }), reports)
}

impl Live {
    fn new(stand: Stand) -> anyhow::Result<Self> {
        let screen = Screen::take()?;
        let colours = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let style = if screen.is_some() && colours { Style::Colour } else { Style::Plain };
        let pool = stand.pool.clone();
        Ok(Self { stand, screen, style, pool, told: None })
    }

    async fn watch(&mut self, reports: &mut mpsc::Receiver<LoadReport>) -> anyhow::Result<()> {
        let start = LoadReport::default();
        self.show(&start).await?;
        loop {
            let report = reports.recv().await.context("the traffic has ended")?;
            self.stand.proxy.check()?;
            self.show(&report).await?;
        }
    }

    async fn show(&mut self, report: &LoadReport) -> anyhow::Result<()> {
        let status = self.stand.proxy.status().await.ok();
        self.follow(status.as_ref());
        let frame = self.frame(report, status.as_ref());
        match &mut self.screen {
            Some(screen) => screen.draw(&frame.table(self.style, Screen::size().0))?,
            None => self.print(&frame, report)?,
        }
        Ok(())
    }

    /// Takes over what the file says, if that is what is in force.
    fn follow(&mut self, status: Option<&PoolStatus>) {
        let in_force = |pool: &Pool| {
            status.is_some_and(|status| status.refusal().is_none() && status.revision.as_ref() == Some(&pool.revision))
        };
        let pool = self.stand.place.read().ok().and_then(|text| Pool::read(&text).ok());
        if let Some(pool) = pool.filter(in_force) {
            self.pool = pool;
        }
    }

    fn frame(&self, report: &LoadReport, status: Option<&PoolStatus>) -> Frame {
        let second = report.second.clone().unwrap_or_default();
        Frame {
            address: self.stand.address().to_string(),
            admin: self.stand.proxy.admin().to_string(),
            file: self.stand.place.name().display().to_string(),
            rows: self.pool.backends.iter().map(|backend| self.row(backend, report, &second)).collect(),
            traffic: traffic(report, &second),
            policy: status.map(policy),
            refusal: status.and_then(PoolStatus::refusal).map(str::to_owned),
        }
    }

    fn row(&self, backend: &Backend, report: &LoadReport, second: &Counts) -> Row {
        let first = backend.endpoints.first().map(ToString::to_string).unwrap_or_default();
        let more = backend.endpoints.len().saturating_sub(1);
        Row {
            backend: backend.name.clone(),
            endpoints: if more == 0 { first } else { format!("{} endpoints", more + 1) },
            weight: backend.weight,
            second: self.stand.servers.answers(backend, second),
            total: self.stand.servers.answers(backend, &report.counts),
        }
    }

    /// How it went.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds since the start")]
    fn in_a_line(&self, summary: &LoadReport) -> String {
        let counts = &summary.counts;
        let answers = |backend: &Backend| thousands(self.stand.servers.answers(backend, counts));
        let backends = self.pool.backends.iter().map(|backend| format!("{} {}", backend.name, answers(backend)));
        let backends: Vec<_> = backends.collect();
        let (total, failed, lasted) = (thousands(counts.total), thousands(counts.failed), time(summary.t as u64));
        format!("{total} requests in {lasted}: {}; {failed} failed. Everything has ended.", backends.join(", "))
    }

    /// For an output that is no terminal: a head, a line each second, and each refusal once.
    fn print(&mut self, frame: &Frame, report: &LoadReport) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        if report.second.is_none() {
            let Frame { address, admin, file, .. } = frame;
            writeln!(out, "Evenkeel demo: http://{address}/, status http://{admin}/status, pool {file}")?;
        } else {
            writeln!(out, "{}", frame.line())?;
        }
        if let Some(refusal) = frame.refusal.as_ref().filter(|refusal| Some(*refusal) != self.told.as_ref()) {
            writeln!(out, "refused; the last good file stays in force: {refusal}")?;
        }
        self.told.clone_from(&frame.refusal);
        Ok(())
    }
}

fn traffic(report: &LoadReport, second: &Counts) -> Traffic {
    let counts = &report.counts;
    let kinds: Vec<_> = counts.failures.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    Traffic {
        second: second.total,
        p50_ms: second.p50_ms,
        p99_ms: second.p99_ms,
        total: counts.total,
        failed: counts.failed,
        kinds: kinds.join(", "),
    }
}

fn policy(status: &PoolStatus) -> Policy {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    Policy {
        generation: status.generation.unwrap_or_default(),
        revision: status.revision.clone().unwrap_or_default(),
        age: now.saturating_sub(status.since.unwrap_or(now)),
    }
}
