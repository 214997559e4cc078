//! Networks of addresses, in CIDR notation.

use std::{net::IpAddr, str::FromStr};

/// A network: `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: u128,
    mask: u128,
    is_v4: bool,
}

/// The text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a network is its first address and the length of its prefix, and no IPv4 address written as IPv6; write it so, for example 10.0.0.0/8, or 192.0.2.7/32 for one address"
)]
pub struct NetworkError;

impl Network {
    /// Whether an address, in its canonical form, belongs to it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (bits, is_v4) = bits(address);
        is_v4 == self.is_v4 && bits & self.mask == self.first
    }
}

/// All of an address; those of IPv4 stand at the upper end.
fn bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, true),
        IpAddr::V6(address) => (address.to_bits(), false),
    }
}

/// As strict as `isCIDR` and `masked` of the API server: no zone, no leading zero, nothing behind the prefix but zeros.
impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').ok_or(NetworkError)?;
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let length: u32 = prefix.parse().map_err(|_| NetworkError)?;
        let (first, is_v4) = bits(address);
        let longest = if is_v4 { 32 } else { 128 };
        if length > longest || length.to_string() != prefix || address.to_canonical() != address {
            return Err(NetworkError);
        }
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        if first & !mask == 0 { Ok(Self { first, mask, is_v4 }) } else { Err(NetworkError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_belongs_to_a_network_of_its_family_that_shares_its_first_bits() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"),
            ("::/0", "::1", "0.0.0.0"),
            ("::1/128", "::1", "::2"),
        ] {
            let network: Network = network.parse().expect(network);
            assert!(network.contains(inside.parse().expect("an address")), "{inside} in {network:?}");
            assert!(!network.contains(outside.parse().expect("an address")), "{outside} in {network:?}");
        }
    }

    #[test]
    fn anything_else_is_no_network() {
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "a/8",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/8/8",
            "10.0.0.1/8",
            "2001:db8::1/32",
            "::ffff:10.0.0.0/104",
            "fe80::%1/64",
            " 10.0.0.0/8",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text}");
        }
    }
}
