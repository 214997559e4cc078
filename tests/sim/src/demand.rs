//! How much work requests are: distributions with a given mean.

use std::f64::consts::TAU;

use crate::time::Nanos;

/// A distribution of service times at an endpoint of ordinary speed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Demand {
    /// Always the same. For tests against theory.
    #[cfg_attr(not(test), expect(dead_code, reason = "only theory knows such requests"))]
    Constant(Nanos),
    /// Exponential.
    #[cfg_attr(not(test), expect(dead_code, reason = "only theory knows such requests"))]
    Exponential(Nanos),
    /// Log-normal; `sigma` is the deviation of the logarithm.
    LogNormal { mean: Nanos, sigma: f64 },
    /// Exponential, but `percent` of a hundred requests take `factor` times as long.
    HeavyTail { ordinary: Nanos, percent: f64, factor: f64 },
}

impl Demand {
    /// The next request's work.
    pub(crate) fn draw(self, random: &mut fastrand::Rng) -> Nanos {
        let drawn = match self {
            Self::Constant(time) => time as f64,
            Self::Exponential(mean) => mean as f64 * exponential(random),
            Self::LogNormal { mean, sigma } => {
                // The mean of exp(N(µ, σ²)) is exp(µ + σ²/2).
                mean as f64 * (sigma * normal(random) - sigma * sigma / 2.0).exp()
            }
            Self::HeavyTail { ordinary, percent, factor } => {
                let slow = random.f64() * 100.0 < percent;
                ordinary as f64 * exponential(random) * if slow { factor } else { 1.0 }
            }
        };
        (drawn as Nanos).max(1)
    }

    /// The mean.
    pub(crate) fn mean(self) -> f64 {
        match self {
            Self::Constant(mean) | Self::Exponential(mean) | Self::LogNormal { mean, .. } => mean as f64,
            Self::HeavyTail { ordinary, percent, factor } => ordinary as f64 * (1.0 + percent / 100.0 * (factor - 1.0)),
        }
    }
}

/// An exponential variable of mean 1.
pub(crate) fn exponential(random: &mut fastrand::Rng) -> f64 {
    -(1.0 - random.f64()).ln()
}

/// A normal variable, by the transformation of Box and Muller.
fn normal(random: &mut fastrand::Rng) -> f64 {
    (2.0 * exponential(random)).sqrt() * (TAU * random.f64()).cos()
}
