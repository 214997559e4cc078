//! Which failed attempts are followed by another.
//!
//! What is always on (nginx and Envoy leave some of it to settings that few find): a connection that cannot be made is
//! tried elsewhere, since nothing was sent; a kept connection that turns out dead is replaced once; an idempotent request
//! whose fresh connection breaks before the first byte of an answer is sent once more, elsewhere. What a pool lists: answers
//! after which an idempotent request is sent elsewhere, 504 standing for none in time as well.

use crate::balance::{Reason, Retry, Side};

/// Further endpoints after a connection that could not be made.
const MAX_FURTHER_CONNECTS: u8 = 2;
/// What an answer that does not come in time is, among a pool's codes.
const GATEWAY_TIMEOUT: u16 = 504;

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection.
    Connect(Reason),
    /// A connection from the pool was dead before anything was sent.
    DeadUnsent,
    /// A connection from the pool broke before the first byte of an answer.
    DeadSent,
    /// A fresh connection broke before the first byte of an answer.
    Broken,
    /// There was no answer in time.
    Late,
    /// The answer is one that the pool lists.
    Status,
    /// Anything else: a malformed answer, a client's broken body, the end of the request's time.
    Final(Reason),
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The same endpoint on a new connection; it is not to blame.
    SameEndpoint,
    /// An endpoint that was not tried.
    OtherEndpoint,
    /// The client is told.
    GiveUp,
    /// The same, because there were as many attempts as may be.
    UsedUp,
}

/// What has been tried for a request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct History {
    connects: u8,
    /// Attempts that followed another, but for connections that could not be made.
    retries: u8,
    replaced: bool,
    repeated: bool,
}

impl Failure {
    /// The reason that the client is told when nothing follows.
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Connect(reason) | Self::Final(reason) => reason,
            Self::Late => Reason::ResponseTimeout,
            Self::Status => Reason::UpstreamStatus,
            Self::DeadUnsent | Self::DeadSent | Self::Broken => Reason::UpstreamClosed,
        }
    }

    /// Whether an endpoint may have seen the request.
    pub(super) fn was_sent(self) -> bool {
        !matches!(self, Self::Connect(_) | Self::DeadUnsent)
    }

    /// Whether it is the endpoint's: not a client's, not ours, and not that of a connection that was kept for too long.
    pub(super) fn is_endpoints(self) -> bool {
        match self {
            Self::Connect(_) | Self::Broken | Self::Late | Self::Status => true,
            Self::DeadUnsent | Self::DeadSent => false,
            Self::Final(reason) => reason.side() == Side::Upstream,
        }
    }

    /// Whether what follows should not come at once: the endpoint may have had enough to do.
    pub(super) fn wants_pause(self) -> bool {
        matches!(self, Self::Broken | Self::Late | Self::Status)
    }
}

impl History {
    /// Whether a kept connection turned out dead: others may be as old, so what follows goes on new ones.
    pub(super) fn distrusts_kept(self) -> bool {
        self.replaced
    }

    /// How often the request was sent again.
    pub(super) fn retries(self) -> u8 {
        self.retries
    }

    /// Decides what follows, and remembers it. `can_repeat`: sending the request twice is harmless and possible.
    pub(super) fn decide(&mut self, failure: Failure, can_repeat: bool, retry: &Retry) -> Next {
        match failure {
            Failure::Connect(_) if self.connects < MAX_FURTHER_CONNECTS => {
                self.connects += 1;
                Next::OtherEndpoint
            }
            Failure::DeadUnsent if !self.replaced => {
                self.replaced = true;
                Next::SameEndpoint
            }
            Failure::DeadSent if can_repeat && !self.replaced => {
                self.replaced = true;
                self.again(Next::SameEndpoint, retry)
            }
            Failure::Broken if can_repeat => {
                let next = if self.repeated { Next::UsedUp } else { self.again(Next::OtherEndpoint, retry) };
                self.repeated = true;
                next
            }
            Failure::Late if can_repeat && retry.codes.contains(GATEWAY_TIMEOUT) => {
                self.again(Next::OtherEndpoint, retry)
            }
            Failure::Status if can_repeat => self.again(Next::OtherEndpoint, retry),
            _ => Next::GiveUp,
        }
    }

    fn again(&mut self, next: Next, retry: &Retry) -> Next {
        if self.retries < retry.attempts {
            self.retries += 1;
            return next;
        }
        if self.retries > 0 { Next::UsedUp } else { Next::GiveUp }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn retry(attempts: u8, codes: &[u16]) -> Retry {
        Retry { attempts, codes: codes.iter().copied().collect(), backoff: Duration::from_millis(25) }
    }

    fn under(retry: &Retry, failures: &[Failure], can_repeat: bool) -> Vec<Next> {
        let mut history = History::default();
        failures.iter().map(|failure| history.decide(*failure, can_repeat, retry)).collect()
    }

    fn decisions(failures: &[Failure], can_repeat: bool) -> Vec<Next> {
        under(&retry(1, &[]), failures, can_repeat)
    }

    #[test]
    fn a_connection_is_tried_at_two_further_endpoints_whatever_the_method() {
        let refused = Failure::Connect(Reason::ConnectFailed);
        for (attempts, can_repeat) in [(0, true), (0, false), (1, false), (10, true)] {
            let next = under(&retry(attempts, &[]), &[refused; 3], can_repeat);
            assert_eq!(next, [Next::OtherEndpoint, Next::OtherEndpoint, Next::GiveUp]);
        }
    }

    #[test]
    fn a_dead_kept_connection_is_replaced_once_if_nothing_can_happen_twice() {
        assert_eq!(decisions(&[Failure::DeadUnsent; 2], false), [Next::SameEndpoint, Next::GiveUp]);
        assert_eq!(decisions(&[Failure::DeadSent; 2], true), [Next::SameEndpoint, Next::GiveUp]);
        assert_eq!(decisions(&[Failure::DeadSent], false), [Next::GiveUp]);
    }

    #[test]
    fn only_what_can_be_repeated_is_sent_again_after_a_fresh_connection_broke() {
        assert_eq!(decisions(&[Failure::Broken; 2], true), [Next::OtherEndpoint, Next::UsedUp]);
        assert_eq!(decisions(&[Failure::Broken], false), [Next::GiveUp]);
        let once = under(&retry(10, &[]), &[Failure::Broken; 2], true);
        assert_eq!(once, [Next::OtherEndpoint, Next::UsedUp], "once, however many attempts there may be");
    }

    #[test]
    fn without_attempts_only_what_was_never_sent_is_tried_again() {
        for failure in [Failure::DeadSent, Failure::Broken, Failure::Late, Failure::Status] {
            assert_eq!(under(&retry(0, &[504]), &[failure], true), [Next::GiveUp], "{failure:?}");
        }
        assert_eq!(under(&retry(0, &[]), &[Failure::DeadUnsent], false), [Next::SameEndpoint]);
    }

    #[test]
    fn answers_of_the_list_are_tried_elsewhere_as_often_as_may_be() {
        let listed = [Failure::Status, Failure::Late, Failure::Status, Failure::Late];
        let next = under(&retry(3, &[503, 504]), &listed, true);
        assert_eq!(next, [Next::OtherEndpoint, Next::OtherEndpoint, Next::OtherEndpoint, Next::UsedUp]);
        assert_eq!(under(&retry(3, &[503]), &[Failure::Late], true), [Next::GiveUp], "504 is not listed");
        for failure in listed {
            assert_eq!(under(&retry(3, &[503, 504]), &[failure], false), [Next::GiveUp], "it may happen twice");
        }
    }

    #[test]
    fn connections_that_cannot_be_made_are_not_among_the_attempts() {
        let failures = [Failure::Connect(Reason::ConnectFailed), Failure::Status, Failure::Status];
        let next = under(&retry(1, &[503]), &failures, true);
        assert_eq!(next, [Next::OtherEndpoint, Next::OtherEndpoint, Next::UsedUp]);
    }

    #[test]
    fn malformed_answers_are_final() {
        for reason in [Reason::UpstreamProtocol, Reason::BadRequest, Reason::ResponseTimeout] {
            assert_eq!(under(&retry(9, &[502, 504]), &[Failure::Final(reason)], true), [Next::GiveUp]);
        }
    }
}
