//! IP address ranges: `10.0.0.0/8`, `2001:db8::/32`, or a single address.

use std::net::IpAddr;

/// Addresses with a common prefix. An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) counts as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u32,
}

impl Cidr {
    /// Parses an address, optionally with a prefix length. `None` for anything else, and for a network with bits set beyond its prefix: one
    /// of the two is a mistake, and only the author knows which.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().ok()?;
        let width = width(written);
        let prefix = match prefix {
            Some(digits) if digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
            None => width,
        };
        let network = written.to_canonical();
        // `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
        let prefix = if prefix > width { return None } else { prefix.checked_sub(width - self::width(network))? };
        let found = Self { network, prefix };
        (bits(network) & !found.mask() == 0).then_some(found)
    }

    /// Whether the range contains `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.network) && bits(address) & self.mask() == bits(self.network)
    }

    /// A mask of the prefix, within the low bits that hold the address.
    fn mask(&self) -> u128 {
        let width = width(self.network);
        let all = u128::MAX >> (128 - width);
        all & !(u128::MAX.checked_shr(128 - width + self.prefix).unwrap_or(0))
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn ranges_hold_their_addresses_and_no_others() {
        for (range, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("192.0.2.6/31", "192.0.2.7", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("2001:db8::1", "2001:db8::1", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
        ] {
            let found = Cidr::parse(range).unwrap().contains(address.parse().unwrap());
            assert_eq!(found, expected, "{range} {address}");
        }
    }

    #[test]
    fn what_is_no_range() {
        for text in [
            "",
            "10",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.1/8",
            "::/129",
            "::1/64",
            "10.0.0.0/8/8",
            "localhost",
            " 10.0.0.1",
            "::ffff:10.0.0.0/8",
            "10.0.0.0/0008",
        ] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }
}
