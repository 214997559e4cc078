//! DNS messages (RFC 1035 §4): one question out, the addresses of the answer in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// RCODE 3: the name does not exist.
pub(super) const NAME_ERROR: u8 = 3;

const HEADER_BYTES: usize = 12;
const IS_RESPONSE: u16 = 0x8000;
const RECURSION_DESIRED: u16 = 0x0100;
const CLASS_IN: u16 = 1;
/// The two high bits of a length say that the rest of the name stands elsewhere.
const POINTER: u8 = 0xc0;

/// The kinds of address records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    A = 1,
    Aaaa = 28,
}

/// The addresses that an answer holds; none if the name exists without such an address.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ttl: Duration,
}

/// Why a message does not answer the question.
#[derive(Debug, PartialEq)]
pub(super) enum NotAnAnswer {
    /// It is not for us, or broken.
    Stray,
    /// The server's error code.
    Code(u8),
}

/// The question for a name; none if the name cannot stand in one.
pub(super) fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(HEADER_BYTES + name.len() + 6);
    for word in [id, RECURSION_DESIRED, 1, 0, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        message.push(length);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend((kind as u16).to_be_bytes());
    message.extend(CLASS_IN.to_be_bytes());
    (name.len() <= 253).then_some(message)
}

/// Reads the answer to question `id`. Aliases (CNAME) need no care: the addresses stand behind them in the same answer.
pub(super) fn answer(message: &[u8], id: u16, kind: Kind) -> Result<Answer, NotAnAnswer> {
    let mut reader = Reader(message);
    let header = reader.words::<6>().ok_or(NotAnAnswer::Stray)?;
    let [answered, flags, questions, answers, ..] = header;
    if answered != id || flags & IS_RESPONSE == 0 {
        return Err(NotAnAnswer::Stray);
    }
    let code = (flags & 0xf).to_be_bytes()[1];
    if code != 0 {
        return Err(NotAnAnswer::Code(code));
    }
    for _ in 0..questions {
        reader.skip_name().and_then(|()| reader.words::<2>()).ok_or(NotAnAnswer::Stray)?;
    }
    let mut found = Answer { addresses: Vec::new(), ttl: Duration::MAX };
    // A message that was cut off ends early: what came before counts.
    for _ in 0..answers {
        let Some(()) = reader.record(kind, &mut found) else { break };
    }
    Ok(found)
}

/// The rest of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn words<const N: usize>(&mut self) -> Option<[u16; N]> {
        let bytes = self.bytes(2 * N)?;
        Some(std::array::from_fn(|i| u16::from_be_bytes([bytes[2 * i], bytes[2 * i + 1]])))
    }

    fn skip_name(&mut self) -> Option<()> {
        loop {
            let length = self.bytes(1)?[0];
            if length & POINTER == POINTER {
                return self.bytes(1).map(|_| ());
            }
            if length == 0 {
                return Some(());
            }
            self.bytes(length.into())?;
        }
    }

    /// Reads one record; keeps its address if it is of that kind.
    fn record(&mut self, kind: Kind, found: &mut Answer) -> Option<()> {
        self.skip_name()?;
        let [record_kind, class, ttl_high, ttl_low, length] = self.words()?;
        let data = self.bytes(length.into())?;
        let ttl = Duration::from_secs(u64::from(ttl_high) << 16 | u64::from(ttl_low));
        found.ttl = found.ttl.min(ttl);
        if class == CLASS_IN && record_kind == kind as u16 {
            found.addresses.extend(address(data));
        }
        Some(())
    }
}

fn address(data: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(data).map(|octets| Ipv4Addr::from(octets).into());
    four.or_else(|_| <[u8; 16]>::try_from(data).map(|octets| Ipv6Addr::from(octets).into())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a.b`: an alias for another name, which has one address.
    fn sample() -> Vec<u8> {
        let mut message = question(7, "a.b", Kind::A).unwrap();
        message[2] |= 0x80;
        message[7] = 2;
        message.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, b'c', 0xc0, 14]);
        message.extend([0xc0, 35, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 0, 0, 9]);
        message
    }

    #[test]
    fn the_address_behind_an_alias_is_found() {
        let answer = answer(&sample(), 7, Kind::A).unwrap();
        assert_eq!(answer.addresses, ["10.0.0.9".parse::<IpAddr>().unwrap()]);
        assert_eq!(answer.ttl, Duration::from_secs(30));
    }

    #[test]
    fn what_is_not_for_us_is_stray_and_errors_have_their_code() {
        assert_eq!(answer(&sample(), 8, Kind::A), Err(NotAnAnswer::Stray));
        assert_eq!(answer(&question(7, "a", Kind::A).unwrap(), 7, Kind::A), Err(NotAnAnswer::Stray));
        let mut refused = sample();
        refused[3] |= NAME_ERROR;
        assert_eq!(answer(&refused, 7, Kind::A), Err(NotAnAnswer::Code(NAME_ERROR)));
    }

    #[test]
    fn no_bytes_whatever_make_it_fail_badly() {
        let sample = sample();
        for end in 0..sample.len() {
            let _ = answer(&sample[..end], 7, Kind::A);
        }
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let mut message = sample.clone();
            let at = random.usize(..message.len());
            message[at] = random.u8(..);
            let _ = answer(&message, 7, Kind::A);
        }
    }

    #[test]
    fn names_that_no_question_can_hold_are_refused() {
        for name in ["", "a..b", &"x".repeat(64), &"x.".repeat(200)] {
            assert!(question(1, name, Kind::A).is_none(), "{name}");
        }
    }
}
