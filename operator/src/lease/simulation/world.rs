//! The world: true time, a network that delays and loses, an API server with one Lease.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    time::Duration,
};

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

use super::{
    process::Process,
    script::{Edit, FAST, Ms, SLOWEST, Script, TROUBLE, Trouble},
};

/// What happens to a process.
#[derive(Debug)]
pub(super) enum Event {
    Start,
    Wake,
    Watch(News),
    Watched,
    Arrives(u64, Request),
    Answer(u64, Answer),
    TimesOut(u64),
    Trouble(Trouble),
}

#[derive(Clone, Debug)]
pub(super) enum News {
    Is(Lease),
    Gone(Lease),
    Listed(Option<Lease>),
}

#[derive(Clone, Debug)]
pub(super) enum Request {
    Write(Box<Lease>),
    Read,
}

#[derive(Clone, Debug)]
pub(super) enum Answer {
    Written(Lease),
    Outdated,
    Read(Option<Lease>),
}

/// All there is.
pub(super) struct World {
    pub(super) now: Ms,
    base: Instant,
    script: Script,
    lease: Option<Lease>,
    version: u64,
    pub(super) processes: Vec<Process>,
    queue: BinaryHeap<Reverse<(Ms, u64)>>,
    events: HashMap<u64, (usize, u64, Event)>,
    pub(super) number: u64,
    pub(super) random: fastrand::Rng,
    /// The longest time that two gates were open at once.
    pub(super) overlap: Ms,
    pub(super) edited: bool,
}

impl World {
    pub(super) fn new(script: &Script) -> Self {
        let processes = script.hosts.iter().map(|host| Process {
            host: host.clone(),
            epoch: 0,
            election: None,
            open_until: 0,
            paused_until: 0,
            cut_until: 0,
            watches: false,
            last_news: 0,
            waiting: None,
            backlog: VecDeque::new(),
            stops: false,
        });
        let mut world = Self {
            now: 0,
            base: Instant::now(),
            lease: None,
            version: 0,
            processes: processes.collect(),
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            number: 0,
            random: fastrand::Rng::with_seed(script.seed),
            overlap: 0,
            edited: false,
            script: script.clone(),
        };
        for (who, host) in script.hosts.iter().enumerate() {
            world.at(host.starts, who, 0, Event::Start);
        }
        for (when, who, trouble) in &script.troubles {
            world.at(*when, who % script.hosts.len(), 0, Event::Trouble(trouble.clone()));
        }
        world
    }

    pub(super) fn clock(&self, who: usize) -> Instant {
        let host = &self.processes[who].host;
        self.base + Duration::from_secs(host.offset_s.into()) + Duration::from_millis(self.now * host.speed / 1000)
    }

    fn at(&mut self, when: Ms, who: usize, epoch: u64, event: Event) {
        self.number += 1;
        self.queue.push(Reverse((when, self.number)));
        self.events.insert(self.number, (who, epoch, event));
    }

    pub(super) fn soon(&mut self, after: Ms, who: usize, event: Event) {
        let epoch = self.processes[who].epoch;
        self.at(self.now + after, who, epoch, event);
    }

    fn is_calm(&self) -> bool {
        self.now >= TROUBLE
    }

    /// How long a message takes; none if it is lost.
    pub(super) fn delay(&mut self, who: usize) -> Option<Ms> {
        if self.is_calm() {
            return Some(self.random.u64(1..=FAST));
        }
        let lost = self.random.u8(0..100) < self.script.loss_percent || self.now < self.processes[who].cut_until;
        (!lost).then(|| self.random.u64(1..=self.script.slowest.min(SLOWEST)))
    }

    pub(super) fn run(&mut self, until: Ms) {
        while let Some(Reverse((when, number))) = self.queue.peek().copied().filter(|next| next.0.0 <= until) {
            self.queue.pop();
            self.now = when;
            let (who, epoch, event) = self.events.remove(&number).expect("each is queued once");
            self.happen(who, epoch, event);
        }
        self.now = until;
    }

    fn happen(&mut self, who: usize, epoch: u64, event: Event) {
        match event {
            Event::Arrives(number, request) => return self.serve(who, epoch, number, request),
            Event::Trouble(trouble) => return self.trouble(who, &trouble),
            _ => {}
        }
        let process = &self.processes[who];
        if epoch != process.epoch {
            return; // meant for a process that is gone
        }
        if self.now < process.paused_until {
            // What waits for a stopped process comes in no particular order when it goes on.
            let later = process.paused_until - self.now + self.random.u64(0..3);
            return self.soon(later, who, event);
        }
        match event {
            Event::Start => self.start(who),
            Event::Watched => self.list(who),
            Event::Watch(news) => self.processes[who].backlog.push_back(news),
            Event::Answer(number, answer) => self.answered(who, number, Some(answer)),
            Event::TimesOut(number) => self.answered(who, number, None),
            Event::Wake | Event::Arrives(..) | Event::Trouble(_) => {}
        }
        self.go_on(who);
    }

    fn serve(&mut self, who: usize, epoch: u64, number: u64, request: Request) {
        let answer = match request {
            Request::Read => Answer::Read(self.lease.clone()),
            Request::Write(lease) => self.put(*lease).map_or(Answer::Outdated, Answer::Written),
        };
        if let Some(delay) = self.delay(who) {
            self.at(self.now + delay, who, epoch, Event::Answer(number, answer));
        }
    }

    /// The API server: creates what has no version and is not there, replaces what has the present version.
    fn put(&mut self, lease: Lease) -> Option<Lease> {
        let version = |lease: &Lease| lease.metadata.resource_version.clone();
        if self.lease.as_ref().and_then(version) != version(&lease) {
            return None;
        }
        self.store(lease);
        self.lease.clone()
    }

    fn store(&mut self, mut lease: Lease) {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        lease.metadata.uid.get_or_insert_with(|| self.version.to_string());
        self.lease = Some(lease.clone());
        self.tell(&News::Is(lease));
    }

    /// A watch is a stream: what is late delays what comes after it, and what is lost breaks it.
    fn tell(&mut self, news: &News) {
        for who in 0..self.processes.len() {
            if !self.processes[who].watches {
                continue;
            }
            if let Some(delay) = self.delay(who) {
                let when = (self.now + delay).max(self.processes[who].last_news);
                self.processes[who].last_news = when;
                self.soon(when - self.now, who, Event::Watch(news.clone()));
            } else {
                self.processes[who].watches = false;
                self.soon(1000, who, Event::Watched);
            }
        }
    }

    fn list(&mut self, who: usize) {
        let Some(delay) = self.delay(who) else { return self.soon(1000, who, Event::Watched) };
        self.processes[who].watches = true;
        self.processes[who].last_news = self.now + delay;
        let list = News::Listed(self.lease.clone());
        self.soon(delay, who, Event::Watch(list));
    }

    pub(super) fn leads(&self, who: usize) -> bool {
        self.now < self.processes[who].open_until
    }

    pub(super) fn leaders(&self) -> usize {
        (0..self.processes.len()).filter(|&who| self.leads(who)).count()
    }

    fn trouble(&mut self, who: usize, trouble: &Trouble) {
        let now = self.now;
        let process = &mut self.processes[who];
        match *trouble {
            Trouble::Pause(length) => process.paused_until = (now + length).min(TROUBLE),
            Trouble::CutOff(length) => process.cut_until = now + length,
            Trouble::Kill if process.election.is_some() => self.end(who),
            Trouble::Stop if process.election.is_some() => {
                process.stops = true;
                self.soon(1, who, Event::Wake);
            }
            Trouble::Kill | Trouble::Stop => {}
            Trouble::Edit(edit) => self.edit(edit),
        }
    }

    fn edit(&mut self, edit: Edit) {
        let Some(mut lease) = self.lease.clone() else { return };
        self.edited = true;
        let spec = lease.spec.get_or_insert_default();
        match edit {
            Edit::Delete => {
                self.version += 1;
                lease.metadata.resource_version = Some(self.version.to_string());
                self.lease = None;
                return self.tell(&News::Gone(lease));
            }
            Edit::NoHolder => spec.holder_identity = None,
            Edit::Zero => spec.lease_duration_seconds = Some(0),
            Edit::Year => spec.lease_duration_seconds = Some(31_536_000),
            Edit::NoSpec => lease.spec = None,
            Edit::Label => lease.metadata.annotations = Some([("note".into(), "mine".into())].into()),
        }
        self.store(lease);
    }
}
