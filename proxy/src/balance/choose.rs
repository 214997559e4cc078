//! One of a group of endpoints, by the pool's rule.

use evenkeel_crds::table::ScorePolicy;

use super::{
    Context, Group, Learns, Rule, Trace,
    least::{DRAWS, FEW, Load, Loads, Look},
    score::{self, Most},
    smooth,
    stride::Stride,
    thread_state::Turns,
    trace::Step,
};

/// What an endpoint is taken for, in µs, when none is known (linkerd2-proxy: its default of 30 ms).
const UNKNOWN: u64 = 30_000;

/// What a choice needs besides the rule.
pub(super) struct Chooser<'a, T> {
    pub(super) group: &'a Group,
    pub(super) turns: &'a mut [Turns],
    pub(super) stride: &'a mut Option<Stride>,
    pub(super) random: &'a mut fastrand::Rng,
    pub(super) context: &'a Context<'a>,
    pub(super) trace: &'a mut T,
}

/// Candidates that are compared, with what is compared: few of them.
#[derive(Clone, Copy)]
struct Few<V> {
    of: [(usize, V); FEW],
    count: usize,
}

impl<V: Copy + Default> Few<V> {
    fn new() -> Self {
        Self { of: [(0, V::default()); FEW], count: 0 }
    }

    fn push(&mut self, index: usize, value: V) {
        if let Some(place) = self.of.get_mut(self.count) {
            *place = (index, value);
            self.count += 1;
        }
    }

    fn all(&self) -> &[(usize, V)] {
        &self.of[..self.count]
    }

    fn has(&self, index: usize) -> bool {
        self.all().iter().any(|(known, _)| *known == index)
    }
}

impl<T: Trace> Chooser<'_, T> {
    /// The index of the candidate; none if all were tried.
    pub(super) fn choose(&mut self, rule: Rule) -> Option<usize> {
        match rule {
            Rule::RoundRobin => self.in_turn(),
            Rule::Random => self.draw(|_| true),
            Rule::LeastRequest | Rule::Key { .. } => self.least_request(),
            Rule::PeakEwma => self.peak_ewma(),
            Rule::Score(policy) => self.score(policy),
        }
    }

    fn is_untried(&self, index: usize) -> bool {
        self.context.tried.is_empty() || self.group.candidates[index].is_untried(self.context.tried)
    }

    fn in_turn(&mut self) -> Option<usize> {
        let (candidates, tried) = (&self.group.candidates, self.context.tried);
        let index = match self.stride {
            Some(stride) => stride.next(candidates, self.turns, |candidate| candidate.is_untried(tried)),
            None => smooth::next(candidates, self.turns, |candidate| candidate.is_untried(tried)),
        }?;
        self.tell(index, Learns::Nothing, None, None, None);
        Some(index)
    }

    /// Draws a candidate that was not tried, and is wanted.
    fn draw(&mut self, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let (candidates, tried) = (&self.group.candidates, self.context.tried);
        let is_untried = |index: usize| tried.is_empty() || candidates[index].is_untried(tried);
        let index = self.group.draws.draw(self.random, |index| wanted(index) && is_untried(index))?;
        self.trace.note(|| Step::Drawn { endpoint: candidates[index].state.name.to_string() });
        Some(index)
    }

    /// Those that are compared: all of few, else some that are drawn.
    fn candidates(&mut self, draws: usize) -> Few<()> {
        let mut few = Few::new();
        let count = self.group.candidates.len();
        if count <= FEW {
            (0..count).filter(|index| self.is_untried(*index)).for_each(|index| few.push(index, ()));
            return few;
        }
        for _ in 0..draws {
            let Some(index) = self.draw(|index| !few.has(index)) else { break };
            few.push(index, ());
        }
        few
    }

    fn least_request(&mut self) -> Option<usize> {
        let mut looks = Few::new();
        for (index, ()) in self.candidates(DRAWS).all() {
            let candidate = &self.group.candidates[*index];
            looks.push(*index, Look::at(&candidate.state, candidate.weight, self.context.now));
        }
        let loads = Loads::of(looks.all().iter().map(|(_, look)| look));
        let mut costs = Few::new();
        for (index, look) in looks.all() {
            costs.push(*index, loads.load(look));
        }
        self.least(&costs, Learns::Usual)
    }

    fn peak_ewma(&mut self) -> Option<usize> {
        let few = self.candidates(DRAWS);
        let latencies = self.latencies(&few);
        let mut costs = Few::new();
        for (index, latency) in latencies.all() {
            let candidate = &self.group.candidates[*index];
            costs.push(*index, Load::of(latency * (candidate.state.in_flight() + 1), candidate.weight));
        }
        self.least(&costs, Learns::Peak)
    }

    /// How long answers take. Of whom nothing is known is taken for what the others are: else a newcomer would be avoided that is
    /// as fast, or overrun that is as slow.
    fn latencies(&self, few: &Few<()>) -> Few<u64> {
        let now = self.context.now;
        let peak = |index: usize| self.group.candidates[index].state.estimate.peak(now);
        let (mut sum, mut known) = (0, 0);
        let mut latencies = Few::new();
        for (index, ()) in few.all() {
            let latency = peak(*index);
            sum += latency.unwrap_or_default();
            known += u64::from(latency.is_some());
            latencies.push(*index, latency);
        }
        let mean = sum.checked_div(known).unwrap_or(UNKNOWN);
        let mut all = Few::new();
        for (index, latency) in latencies.all() {
            all.push(*index, latency.unwrap_or(mean));
        }
        all
    }

    fn score(&mut self, policy: ScorePolicy) -> Option<usize> {
        let few = self.candidates(FEW);
        let latencies = self.latencies(&few);
        let mut looks = Few::new();
        for (index, latency) in latencies.all() {
            let candidate = &self.group.candidates[*index];
            let look =
                score::Look::at(&candidate.state, *latency, candidate.weight, candidate.distance, self.context.now);
            looks.push(*index, look);
        }
        let all_fail = looks.all().iter().all(|(_, look)| look.fails());
        let is_in = |look: &score::Look| all_fail || !look.fails();
        let most = Most::of(looks.all().iter().map(|(_, look)| look).filter(|look| is_in(look)));
        let mut scores = Few::new();
        for (index, look) in looks.all() {
            let terms = is_in(look).then(|| score::terms(look, &most, policy));
            match terms {
                Some(terms) => scores.push(*index, Load::of(terms.iter().sum(), 1)),
                None => self.tell(*index, Learns::Peak, Some("failing"), None, None),
            }
            if let Some(terms) = terms {
                self.tell(*index, Learns::Peak, None, None, Some(terms));
            }
        }
        self.first_of_least(&scores)
    }

    fn least(&mut self, costs: &Few<Load>, learns: Learns) -> Option<usize> {
        for (index, load) in costs.all() {
            self.tell(*index, learns, None, Some(*load), None);
        }
        self.first_of_least(costs)
    }

    /// The least; of equal ones that whose turn it is by weight, or of some that were drawn that which was picked less in the last
    /// second, weight for weight: else the choice would be a mere draw where each of many proxies sees few requests (HAProxy's
    /// `random(n)`).
    fn first_of_least(&mut self, costs: &Few<Load>) -> Option<usize> {
        let all = costs.all().iter();
        let (_, least) = *all.clone().reduce(|best, other| if other.1.is_less(best.1) { other } else { best })?;
        let mut equal = all.filter(|(_, cost)| !least.is_less(*cost)).map(|(index, _)| *index);
        let count = equal.clone().count();
        if count > 1 {
            self.trace.note(|| Step::Tie { candidates: count });
        }
        let candidates = &self.group.candidates;
        if candidates.len() <= FEW {
            return match count {
                1 => equal.next(),
                _ => smooth::next_where(candidates, self.turns, |wanted| equal.clone().any(|index| index == wanted)),
            };
        }
        let second = self.context.now / 1000;
        let recent =
            |index: usize| Load::of(self.turns[candidates[index].state.slot].recent(second), candidates[index].weight);
        let index = equal.reduce(|best, other| if recent(other).is_less(recent(best)) { other } else { best })?;
        self.turns[candidates[index].state.slot].count(second);
        Some(index)
    }

    /// Tells of a candidate that was looked at.
    fn tell(
        &mut self,
        index: usize,
        learns: Learns,
        gate: Option<&'static str>,
        load: Option<Load>,
        terms: Option<[u64; 4]>,
    ) {
        let (candidate, now) = (&self.group.candidates[index], self.context.now);
        self.trace.note(|| Step::looked(candidate, now, learns, gate, load, terms));
    }
}
