//! Unattended: three changes of the file, a thousand requests after each, and a verdict.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use evenkeel_tests::load::{self, LoadReport, Settings, Stop};
use evenkeel_tests::signals::EndSignals;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::judge::{self, Part, percent};
use super::options::Options;
use super::pool::{Pool, with_weights};
use super::stand::Stand;
use super::status::PoolStatus;
use super::text::{WIDTH, thousands, wrap};

const REQUESTS: u64 = 1_000;
const CONCURRENCY: usize = 8;
/// Requests a second that go on while the file changes.
const MEANWHILE: f64 = 200.0;
/// The proxy promises a second; a busy machine may need longer, and the figure is printed.
const IN_FORCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(10);

/// What the second file says.
const CHANGED: [&str; 3] = ["20", "80", "0"];
/// What the third one says: a slip of the finger.
const BROKEN: [&str; 3] = ["20", "-80", "0"];
const BROKEN_FIELD: &str = "spec.backends[1].weight";

/// A demo under way, and what was not as promised.
struct Story {
    stand: Stand,
    problems: Vec<String>,
}

/// Plays the story; a signal ends it.
pub(crate) async fn run(options: &Options, mut signals: EndSignals) -> anyhow::Result<ExitCode> {
    tokio::select! {
        good = tell(options) => Ok(if good? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        code = signals.next() => Ok(u8::try_from(code).unwrap_or(1).into()),
    }
}

async fn tell(options: &Options) -> anyhow::Result<bool> {
    let stand = Stand::start(options).await?;
    let mut story = Story { stand, problems: Vec::new() };
    story.head()?;
    let (stop, settings) = (CancellationToken::new(), story.traffic(Some(MEANWHILE), Stop::Signal));
    let stopped = stop.clone();
    let meanwhile = tokio::spawn(async move { load::run(settings, &stopped, |_| ()).await });

    let example = story.stand.place.read()?;
    story.measure("the example", &story.stand.pool.clone()).await?;

    let changed = with_weights(&example, &CHANGED);
    let after = story.change(&changed).await?;
    let pool = Pool::read(&changed).ok().context("the changed file is not good")?;
    story.measure("weights changed", &pool).await?;

    let broken = with_weights(&example, &BROKEN);
    let refusal = story.break_file(&broken).await?;
    story.measure("file broken", &pool).await?;

    stop.cancel();
    let meanwhile = meanwhile.await?;
    tail(after, &refusal, &meanwhile)?;
    story.verdict(&meanwhile).await
}

impl Story {
    fn traffic(&self, rate: Option<f64>, stop: Stop) -> Settings {
        Settings { rate, stop, concurrency: CONCURRENCY, ..self.stand.traffic() }
    }

    /// Sends the requests, prints how they were shared among the backends, and judges it.
    async fn measure(&mut self, what: &str, pool: &Pool) -> anyhow::Result<()> {
        let settings = self.traffic(None, Stop::Requests(REQUESTS));
        let report = load::run(settings, &CancellationToken::new(), |_| ()).await;
        let parts = pool.backends.iter().map(|backend| Part {
            backend: backend.name.clone(),
            weight: backend.weight,
            answers: self.stand.servers.answers(backend, &report.counts),
        });
        let parts: Vec<_> = parts.collect();
        row(what, &parts, &report)?;
        let found = judge::problems(&parts, &report.counts, REQUESTS);
        self.problems.extend(found.into_iter().map(|problem| format!("{what}: {problem}")));
        Ok(())
    }

    /// Writes the file and waits until it is in force; gives the time that this took.
    async fn change(&self, text: &str) -> anyhow::Result<Duration> {
        let wanted = Pool::read(text).ok().map(|pool| pool.revision);
        self.stand.place.write(text)?;
        let start = Instant::now();
        self.until("the changed file is not in force", |status| (status.revision == wanted).then_some(())).await?;
        Ok(start.elapsed())
    }

    /// Writes a broken file and gives the proxy's refusal.
    async fn break_file(&mut self, text: &str) -> anyhow::Result<String> {
        self.stand.place.write(text)?;
        let refusal =
            self.until("the broken file is not refused", |status| status.refusal().map(str::to_owned)).await?;
        let line = text.lines().position(|line| line.contains("-80")).map_or(0, |index| index + 1);
        let name = self.stand.place.name().display().to_string();
        self.problems.extend(judge::refusal_problem(&refusal, &name, line, BROKEN_FIELD));
        Ok(refusal)
    }

    /// Asks the proxy for its status until it has what is looked for.
    async fn until<T>(&self, otherwise: &str, find: impl Fn(&PoolStatus) -> Option<T>) -> anyhow::Result<T> {
        let looking = async {
            let mut look = interval(LOOK);
            loop {
                look.tick().await;
                if let Some(found) = find(&self.stand.proxy.status().await?) {
                    return Ok(found);
                }
            }
        };
        let Ok(found) = timeout(IN_FORCE, looking).await else { bail!("{otherwise} after {IN_FORCE:?}") };
        found
    }

    fn head(&self) -> anyhow::Result<()> {
        let pool = &self.stand.pool;
        let (servers, address) = (pool.backends.len(), self.stand.address());
        let requests = thousands(REQUESTS);
        say(&format!("Evenkeel demo: {servers} servers behind a proxy at http://{address}/."))?;
        say(&format!("After each change of the file {requests} requests, half of them keep-alive."))?;
        say("")?;
        let names: Vec<_> = pool.backends.iter().map(|backend| format!("{:^16}", backend.name)).collect();
        let names = names.concat();
        say(format!("{:<15}{names}{:>8}{:>8}", "weight: share", "failed", "p50").trim_end())
    }

    /// Ends everything and says whether all was as promised.
    async fn verdict(mut self, meanwhile: &LoadReport) -> anyhow::Result<bool> {
        let sent = meanwhile.counts.total;
        // Its shares are of several files: only its failures count.
        self.problems
            .extend(judge::problems(&[], &meanwhile.counts, sent).into_iter().map(|p| format!("meanwhile: {p}")));
        let ended = self.stand.end().await;
        self.problems.extend(ended.err().map(|error| format!("at the end: {error:#}")));
        for problem in &self.problems {
            say(&format!("NOT AS PROMISED: {problem}"))?;
        }
        if self.problems.is_empty() {
            say("Good: all shares within 5 points, none to the weight 0, no request failed.")?;
        }
        Ok(self.problems.is_empty())
    }
}

fn row(what: &str, parts: &[Part], report: &LoadReport) -> anyhow::Result<()> {
    let answers = parts.iter().map(|part| part.answers).sum();
    let share = |part: &Part| format!("{:>5}: {:>5.1} %  ", part.weight, percent(part.answers, answers));
    let shares = parts.iter().map(share).collect::<Vec<_>>().concat();
    let (failed, p50) = (thousands(report.counts.failed), report.counts.p50_ms);
    say(&format!("{what:<15}{shares}{failed:>8}{p50:>5.1} ms"))
}

fn tail(after: Duration, refusal: &str, meanwhile: &LoadReport) -> anyhow::Result<()> {
    let (after, counts) = (after.as_millis(), &meanwhile.counts);
    let (total, failed) = (thousands(counts.total), thousands(counts.failed));
    say("")?;
    say(&format!("The changed file was in force after {after} ms."))?;
    say("The broken file was refused, the last good one stayed in force:")?;
    wrap(refusal, "  ", WIDTH).iter().try_for_each(|line| say(line))?;
    say(&format!("While the file changed, {total} more requests were sent; {failed} failed."))?;
    say("")
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}
