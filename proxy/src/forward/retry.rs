//! Which failed attempts are followed by another.
//!
//! What is always on (nginx and Envoy leave some of it to settings that few find): a connection that cannot be made is
//! tried elsewhere, since nothing was sent; a kept connection that turns out dead is replaced once; an idempotent request
//! whose fresh connection breaks before the first byte of an answer is sent once more, elsewhere.

use crate::balance::Reason;

/// Further endpoints after a connection that could not be made.
const MAX_FURTHER_CONNECTS: u8 = 2;

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
    /// Anything else: a late or malformed answer, a client's broken body.
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
}

/// What has been tried for a request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct History {
    connects: u8,
    replaced: bool,
    repeated: bool,
}

impl Failure {
    /// The reason that the client is told when nothing follows.
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Connect(reason) | Self::Final(reason) => reason,
            Self::DeadUnsent | Self::DeadSent | Self::Broken => Reason::UpstreamClosed,
        }
    }
}

impl History {
    /// Whether a kept connection turned out dead: others may be as old, so what follows goes on new ones.
    pub(super) fn distrusts_kept(self) -> bool {
        self.replaced
    }

    /// Decides what follows, and remembers it. `can_repeat`: sending the request twice is harmless and possible.
    pub(super) fn decide(&mut self, failure: Failure, can_repeat: bool) -> Next {
        match failure {
            Failure::Connect(_) if self.connects < MAX_FURTHER_CONNECTS => {
                self.connects += 1;
                Next::OtherEndpoint
            }
            Failure::DeadUnsent if !self.replaced => self.replace(),
            Failure::DeadSent if can_repeat && !self.replaced => self.replace(),
            Failure::Broken if can_repeat && !self.repeated => {
                self.repeated = true;
                Next::OtherEndpoint
            }
            _ => Next::GiveUp,
        }
    }

    fn replace(&mut self) -> Next {
        self.replaced = true;
        Next::SameEndpoint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decisions(failures: &[Failure], can_repeat: bool) -> Vec<Next> {
        let mut history = History::default();
        failures.iter().map(|failure| history.decide(*failure, can_repeat)).collect()
    }

    #[test]
    fn a_connection_is_tried_at_two_further_endpoints_whatever_the_method() {
        let refused = Failure::Connect(Reason::ConnectFailed);
        for can_repeat in [true, false] {
            let next = decisions(&[refused; 3], can_repeat);
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
        assert_eq!(decisions(&[Failure::Broken; 2], true), [Next::OtherEndpoint, Next::GiveUp]);
        assert_eq!(decisions(&[Failure::Broken], false), [Next::GiveUp]);
    }

    #[test]
    fn late_and_malformed_answers_are_final() {
        for reason in [Reason::ResponseTimeout, Reason::UpstreamProtocol, Reason::BadRequest] {
            assert_eq!(decisions(&[Failure::Final(reason)], true), [Next::GiveUp]);
        }
    }
}
