//! One of a group of endpoints, by the pool's rule.

use super::{
    Context, Group, Rule, Trace,
    least::{self, FEW, Load},
    score::{self, Look, Most},
    smooth,
    stride::Stride,
    thread_state::Turns,
    trace::Step,
};
use evenkeel_crds::table::ScorePolicy;

/// What a choice needs besides the rule.
pub(super) struct Chooser<'a, T> {
    pub(super) group: &'a Group,
    pub(super) turns: &'a mut [Turns],
    pub(super) stride: &'a mut Option<Stride>,
    pub(super) random: &'a mut fastrand::Rng,
    pub(super) context: &'a Context<'a>,
    pub(super) trace: &'a mut T,
}

/// Candidates that are compared: few of them.
struct Few<V> {
    of: [(usize, V); FEW],
    count: usize,
}

impl<V: Copy> Few<V> {
    fn new(empty: V) -> Self {
        Self { of: [(0, empty); FEW], count: 0 }
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
}

impl<T: Trace> Chooser<'_, T> {
    /// The index of the candidate; none if all were tried.
    pub(super) fn choose(&mut self, rule: Rule) -> Option<usize> {
        match rule {
            Rule::RoundRobin => self.in_turn(),
            Rule::Random => self.draw(|_| true),
            Rule::PeakEwma => self.least(true),
            Rule::Score(policy) => self.score(policy),
            Rule::LeastRequest | Rule::Key { .. } => self.least(false),
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
        self.look(index, None, None, None);
        Some(index)
    }

    /// Draws a candidate that was not tried, and is wanted.
    fn draw(&mut self, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let (candidates, tried) = (&self.group.candidates, self.context.tried);
        let index = self.group.sums.draw(self.random, |index| wanted(index) && candidates[index].is_untried(tried))?;
        self.trace.note(|| Step::Drawn { endpoint: candidates[index].state.name.to_string() });
        Some(index)
    }

    /// `LeastRequest`, or `PeakEWMA` if it is `timed`.
    fn least(&mut self, timed: bool) -> Option<usize> {
        let count = self.group.candidates.len();
        if count > FEW {
            let first = self.draw(|_| true)?;
            let second = self.draw(|index| index != first);
            let index = second.map_or(first, |second| self.better(first, second, timed));
            let second = self.second();
            self.turns[self.group.candidates[index].state.slot].count(second);
            return Some(index);
        }
        let mut few = Few::new(Load { amount: 0, weight: 1 });
        for index in 0..count {
            if self.is_untried(index) {
                let load = self.load(index, timed);
                few.push(index, load);
            }
        }
        let (_, least) =
            few.all().iter().copied().reduce(|best, other| if other.1.is_less(best.1) { other } else { best })?;
        self.first_of(few.all().iter().filter(|(_, load)| !least.is_less(*load)).map(|(index, _)| *index))
    }

    fn second(&self) -> u64 {
        self.context.now / 1000
    }

    /// The one with the less load; of equal ones that which was picked less in the last second, weight for weight: else the
    /// choice would be a mere draw where each of many proxies sees few requests (HAProxy's `random(n)`).
    fn better(&mut self, first: usize, second: usize, timed: bool) -> usize {
        let (one, other) = (self.load(first, timed), self.load(second, timed));
        let recent = |index: usize| {
            let candidate = &self.group.candidates[index];
            Load::of(self.turns[candidate.state.slot].recent(self.second()), candidate.weight)
        };
        let is_other = if one == other || !one.is_less(other) && !other.is_less(one) {
            recent(second).is_less(recent(first))
        } else {
            other.is_less(one)
        };
        if is_other { second } else { first }
    }

    fn load(&mut self, index: usize, timed: bool) -> Load {
        let (candidate, now) = (&self.group.candidates[index], self.context.now);
        let amount = if timed { least::wait(&candidate.state, now) } else { least::requests(&candidate.state, now) };
        let load = Load::of(amount, candidate.weight);
        self.look(index, None, Some(load), None);
        load
    }

    /// Of equal ones that whose turn it is, by weight.
    fn first_of(&mut self, mut equal: impl Iterator<Item = usize> + Clone) -> Option<usize> {
        let count = equal.clone().count();
        if count <= 1 {
            return equal.next();
        }
        self.trace.note(|| Step::Tie { candidates: count });
        let candidates = &self.group.candidates;
        let is_equal = |wanted: usize| equal.clone().any(|index| index == wanted);
        smooth::next_where(candidates, self.turns, is_equal)
    }

    fn score(&mut self, policy: ScorePolicy) -> Option<usize> {
        let looks = self.looks();
        let is_out = |look: &Look| look.failures >= score::TOO_OFTEN;
        let all_are = looks.all().iter().all(|(_, look)| is_out(look));
        let most = Most::of(looks.all().iter().map(|(_, look)| look).filter(|look| all_are || !is_out(look)));
        let mut scores = Few::new(0);
        for (index, look) in looks.all() {
            if all_are || !is_out(look) {
                let terms = score::terms(look, &most, policy);
                scores.push(*index, terms.iter().sum());
                self.look(*index, None, None, Some(terms));
            } else {
                self.look(*index, Some("failing"), None, None);
            }
        }
        let least = scores.all().iter().map(|(_, score)| *score).min()?;
        self.first_of(scores.all().iter().filter(|(_, score)| *score == least).map(|(index, _)| *index))
    }

    /// Those whose scores are compared: all of few, else some that are drawn.
    fn looks(&mut self) -> Few<Look> {
        let mut looks = Few::new(Look::default());
        let (count, now) = (self.group.candidates.len(), self.context.now);
        for place in 0..count.min(FEW) {
            let index = if count <= FEW {
                Some(place).filter(|index| self.is_untried(*index))
            } else {
                self.draw(|index| looks.all().iter().all(|(drawn, _)| *drawn != index))
            };
            if let Some(index) = index {
                let candidate = &self.group.candidates[index];
                looks.push(index, Look::at(&candidate.state, candidate.weight, candidate.distance, now));
            }
        }
        looks
    }

    /// Tells of a candidate that was looked at.
    pub(super) fn look(
        &mut self,
        index: usize,
        gate: Option<&'static str>,
        load: Option<Load>,
        terms: Option<[u64; 4]>,
    ) {
        let (candidate, now) = (&self.group.candidates[index], self.context.now);
        self.trace.note(|| Step::looked(candidate, now, gate, load, terms));
    }
}
