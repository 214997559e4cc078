//! A process: does with its `Election` what `Campaign` does, and is stopped, killed and started again.

use std::{collections::VecDeque, time::Duration};

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::{
    script::{Host, Ms},
    world::{Answer, Event, News, Request, World},
};
use crate::lease::{Claim, Election, Record, Turn, record::released};

/// From the end of a process to the start of the next on its host.
const RESTART: Ms = 1_000;

/// A process; the next one on its host has the next epoch.
pub(super) struct Process {
    pub(super) host: Host,
    pub(super) epoch: u64,
    pub(super) election: Option<Election>,
    /// Until when its gate is open, in true time.
    pub(super) open_until: Ms,
    pub(super) paused_until: Ms,
    pub(super) cut_until: Ms,
    pub(super) watches: bool,
    pub(super) last_news: Ms,
    /// The number of the request that it waits for, and when that was sent.
    pub(super) waiting: Option<(u64, Instant)>,
    pub(super) backlog: VecDeque<News>,
    pub(super) stops: bool,
}

impl Process {
    fn true_length(&self, length: Duration) -> Ms {
        u64::try_from(length.as_millis()).expect("short") * 1000 / self.host.speed
    }
}

impl World {
    pub(super) fn start(&mut self, who: usize) {
        let epoch = self.processes[who].epoch;
        self.processes[who].election = Some(Election::new(format!("{who}-{epoch}")));
        self.soon(1, who, Event::Watched);
    }

    /// The process is gone, as if killed; another starts in its place.
    pub(super) fn end(&mut self, who: usize) {
        let now = self.now;
        let process = &mut self.processes[who];
        process.epoch += 1;
        process.election = None;
        (process.waiting, process.stops, process.watches) = (None, false, false);
        process.backlog.clear();
        (process.open_until, process.paused_until) = (process.open_until.min(now), now);
        self.soon(RESTART, who, Event::Start);
    }

    /// What `Campaign::run` does: news first, then its turn, and nothing of both while it waits for an answer.
    pub(super) fn go_on(&mut self, who: usize) {
        loop {
            let now = self.clock(who);
            let process = &mut self.processes[who];
            let Some(election) = process.election.as_mut().filter(|_| process.waiting.is_none()) else { return };
            if let Some(news) = process.backlog.pop_front() {
                match news {
                    News::Is(lease) | News::Listed(Some(lease)) => election.saw(Record::of(lease), now),
                    News::Gone(lease) => election.saw_no_more(Some(&Record::of(lease)), now),
                    News::Listed(None) => election.saw_no_more(None, now),
                }
                continue;
            }
            if process.stops {
                return self.give_up(who);
            }
            match election.turn(now) {
                Turn::Lost(_) => return self.end(who),
                Turn::Write(claim) => return self.write(who, &claim),
                Turn::Wait(Some(next)) => {
                    let after = process.true_length(next - now) + 1;
                    return self.soon(after, who, Event::Wake);
                }
                Turn::Wait(None) => return,
            }
        }
    }

    fn write(&mut self, who: usize, claim: &Claim) {
        let (sent, random) = (self.clock(who), self.random.f64());
        let beat = Timestamp::from_millisecond(i64::try_from(self.now).expect("short")).expect("a time");
        let election = self.processes[who].election.as_mut().expect("it is there");
        election.sends(sent, random);
        let lease = claim.lease("ns", "lease", election.identity(), beat);
        self.request(who, Request::Write(lease.into()), sent);
    }

    fn request(&mut self, who: usize, request: Request, sent: Instant) {
        self.number += 1;
        let number = self.number;
        let deadline = self.processes[who].election.as_ref().expect("it is there").write_deadline(sent);
        self.processes[who].waiting = Some((number, sent));
        let until = self.processes[who].true_length(deadline - sent);
        self.soon(until, who, Event::TimesOut(number));
        if let Some(delay) = self.delay(who) {
            self.soon(delay, who, Event::Arrives(number, request));
        }
    }

    pub(super) fn answered(&mut self, who: usize, number: u64, answer: Option<Answer>) {
        let now = self.clock(who);
        let process = &mut self.processes[who];
        let Some((_, sent)) = process.waiting.take_if(|waiting| waiting.0 == number) else { return };
        let Some(election) = process.election.as_mut() else { return };
        match answer {
            Some(Answer::Written(lease)) => {
                election.wrote(Record::of(lease), sent, now);
                let until = election.leads_until();
                self.opens(who, until);
            }
            Some(Answer::Read(lease)) => election.read(lease.map(Record::of), now),
            Some(Answer::Outdated) => self.request(who, Request::Read, now),
            None => {}
        }
    }

    /// The gate is open from now on; it must be the only one.
    fn opens(&mut self, who: usize, until: Option<Instant>) {
        let now = self.clock(who);
        let Some(left) = until.and_then(|until| until.checked_duration_since(now)) else { return };
        let until = self.now + self.processes[who].true_length(left);
        for other in 0..self.processes.len() {
            if other != who {
                let both = self.processes[other].open_until.min(until).saturating_sub(self.now);
                self.overlap = self.overlap.max(both);
            }
        }
        self.processes[who].open_until = until;
    }

    /// In order: the gate closes, then the Lease is given up.
    fn give_up(&mut self, who: usize) {
        let leads = self.leads(who);
        self.processes[who].open_until = self.now;
        let record = self.processes[who].election.as_ref().and_then(|election| election.record().cloned());
        if let Some(record) = record.filter(|_| leads) {
            let lease = released(&record, "ns", "lease", Timestamp::UNIX_EPOCH);
            if let Some(delay) = self.delay(who) {
                self.soon(delay, who, Event::Arrives(0, Request::Write(lease.into())));
            }
        }
        self.end(who);
    }
}
