//! One of a group of endpoints, by the pool's rule.

use evenkeel_crds::table::ScorePolicy;

use super::{
    Context, Group, Learns, Rule, Trace,
    least::{self, DRAWS, FEW, Load, Look},
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

/// Candidates that are compared: few of them. Not moved about, since that costs more than to look at them.
#[derive(Default)]
struct Few {
    of: [usize; FEW],
    count: usize,
}

impl Few {
    fn push(&mut self, index: usize) {
        if let Some(place) = self.of.get_mut(self.count) {
            *place = index;
            self.count += 1;
        }
    }

    fn all(&self) -> &[usize] {
        &self.of[..self.count]
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
            None if tried.is_empty() => smooth::next_where(candidates, self.turns, |_| true), // as nearly always
            None => smooth::next(candidates, self.turns, |candidate| candidate.is_untried(tried)),
        }?;
        self.tell(index, Learns::Nothing, None, None, None);
        Some(index)
    }

    /// Draws a candidate that was not tried, and is wanted.
    fn draw(&mut self, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let (candidates, tried) = (&self.group.candidates, self.context.tried);
        let is_untried = |index: usize| tried.is_empty() || candidates[index].is_untried(tried);
        let weight = |index: usize| candidates[index].weight;
        let index = self.group.draws.draw(self.random, |index| wanted(index) && is_untried(index), weight)?;
        self.trace.note(|| Step::Drawn { endpoint: candidates[index].state.name.to_string() });
        Some(index)
    }

    /// Those that are compared: all of few, else some that are drawn.
    fn gather(&mut self, few: &mut Few, draws: usize) {
        let count = self.group.candidates.len();
        if count <= FEW {
            (0..count).filter(|index| self.is_untried(*index)).for_each(|index| few.push(index));
            return;
        }
        for _ in 0..draws {
            let Some(index) = self.draw(|index| !few.all().contains(&index)) else { break };
            few.push(index);
        }
    }

    fn least_request(&mut self) -> Option<usize> {
        let mut few = Few::default();
        self.gather(&mut few, DRAWS);
        let mut looks = [Look::default(); FEW];
        for (look, index) in looks.iter_mut().zip(few.all()) {
            let candidate = &self.group.candidates[*index];
            *look = Look::at(&candidate.state, candidate.weight, self.context.now);
        }
        let mut costs = [Load::default(); FEW];
        least::compare(&mut looks[..few.count], &mut costs);
        self.least(few.all(), &costs, Learns::Usual)
    }

    fn peak_ewma(&mut self) -> Option<usize> {
        let mut few = Few::default();
        self.gather(&mut few, DRAWS);
        let mut latencies = [0; FEW];
        self.latencies(few.all(), &mut latencies);
        let mut costs = [Load::default(); FEW];
        for ((cost, index), latency) in costs.iter_mut().zip(few.all()).zip(latencies) {
            let candidate = &self.group.candidates[*index];
            *cost = Load::of(latency * (candidate.state.in_flight() + 1), candidate.weight);
        }
        self.least(few.all(), &costs, Learns::Peak)
    }

    /// How long answers take. Of whom nothing is known is taken for as fast as the fastest: it is tried soon, and then it is known.
    fn latencies(&self, few: &[usize], latencies: &mut [u64; FEW]) {
        let now = self.context.now;
        let mut fastest = None;
        for (latency, index) in latencies.iter_mut().zip(few) {
            let known = self.group.candidates[*index].state.estimate.peak(now);
            *latency = known.unwrap_or_default();
            fastest = match (fastest, known) {
                (Some(fastest), Some(known)) => Some(known.min(fastest)),
                (fastest, known) => fastest.or(known),
            };
        }
        for latency in latencies.iter_mut().filter(|latency| **latency == 0) {
            *latency = fastest.unwrap_or(UNKNOWN);
        }
    }

    fn score(&mut self, policy: ScorePolicy) -> Option<usize> {
        let mut few = Few::default();
        self.gather(&mut few, FEW);
        let mut latencies = [0; FEW];
        self.latencies(few.all(), &mut latencies);
        let mut looks = [score::Look::default(); FEW];
        for ((look, index), latency) in looks.iter_mut().zip(few.all()).zip(latencies) {
            let candidate = &self.group.candidates[*index];
            *look = score::Look::at(&candidate.state, latency, candidate.weight, candidate.distance, self.context.now);
        }
        let looks = &looks[..few.count];
        let all_fail = looks.iter().all(score::Look::fails);
        let is_in = |look: &score::Look| all_fail || !look.fails();
        let most = Most::of(looks.iter().filter(|look| is_in(look)));
        let (mut compared, mut scores) = (Few::default(), [Load::default(); FEW]);
        for (index, look) in few.all().iter().zip(looks) {
            if is_in(look) {
                let terms = score::terms(look, &most, policy);
                scores[compared.count] = Load::of(terms.iter().sum(), 1);
                compared.push(*index);
                self.tell(*index, Learns::Peak, None, None, Some(terms));
            } else {
                self.tell(*index, Learns::Peak, Some("failing"), None, None);
            }
        }
        self.first_of_least(compared.all(), &scores)
    }

    fn least(&mut self, few: &[usize], costs: &[Load; FEW], learns: Learns) -> Option<usize> {
        for (index, load) in few.iter().zip(costs) {
            self.tell(*index, learns, None, Some(*load), None);
        }
        self.first_of_least(few, costs)
    }

    /// The least; of equal ones that whose turn it is by weight, or of some that were drawn that which was picked less in the last
    /// second, weight for weight: else the choice would be a mere draw where each of many proxies sees few requests (HAProxy's
    /// `random(n)`).
    fn first_of_least(&mut self, few: &[usize], costs: &[Load; FEW]) -> Option<usize> {
        let mut best = *few.first()?;
        // A bit for each that is equal to the best.
        let (mut least, mut equal) = (costs[0], 1_u32);
        for place in 1..few.len() {
            let cost = costs[place];
            if cost.is_less(least) {
                (best, least, equal) = (few[place], cost, 1 << place);
            } else if !least.is_less(cost) {
                equal |= 1 << place;
            }
        }
        let ties = equal.count_ones();
        if ties > 1 {
            self.trace.note(|| Step::Tie { candidates: ties });
        }
        let candidates = &self.group.candidates;
        if candidates.len() <= FEW {
            if ties == 1 {
                return Some(best);
            }
            // A bit for each candidate, wherever it stands among those that were not tried.
            let equal = few.iter().zip(0..).fold(0, |bits, (index, place)| bits | (equal >> place & 1) << index);
            return smooth::next_where(candidates, self.turns, |index| equal >> index & 1 == 1);
        }
        let second = self.context.now / 1000;
        let recent =
            |index: usize| Load::of(self.turns[candidates[index].state.slot].recent(second), candidates[index].weight);
        if ties > 1 {
            for (index, place) in few.iter().zip(0..) {
                if equal >> place & 1 == 1 && recent(*index).is_less(recent(best)) {
                    best = *index;
                }
            }
        }
        self.turns[candidates[best].state.slot].count(second);
        Some(best)
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
