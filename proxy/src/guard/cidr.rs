//! A network of addresses.

use std::{net::IpAddr, str::FromStr};

/// A network in CIDR notation: `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: u128,
    mask: u128,
    is_v4: bool,
}

impl Cidr {
    /// Whether an address, in its canonical form, belongs to it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (bits, is_v4) = bits(address);
        is_v4 == self.is_v4 && bits & self.mask == self.address
    }
}

/// All of an address; those of IPv4 stand at the upper end.
fn bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, true),
        IpAddr::V6(address) => (address.to_bits(), false),
    }
}

impl FromStr for Cidr {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, length) = text.split_once('/').ok_or(())?;
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let length: u32 = length.parse().map_err(|_| ())?;
        if length > if address.is_ipv4() { 32 } else { 128 } {
            return Err(());
        }
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        let (bits, is_v4) = bits(address);
        Ok(Self { address: bits & mask, mask, is_v4 })
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
            let network: Cidr = network.parse().expect(network);
            assert!(network.contains(inside.parse().expect("an address")), "{inside} in {network:?}");
            assert!(!network.contains(outside.parse().expect("an address")), "{outside} in {network:?}");
        }
        for text in ["", "10.0.0.0", "10.0.0.0/33", "::/129", "a/8", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            assert_eq!(text.parse::<Cidr>(), Err(()), "{text}");
        }
    }
}
