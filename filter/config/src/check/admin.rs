//! Checks the section `admin`.

use std::net::SocketAddr;

use sluice_core::key_hash::KeyHash;

use super::place::{Path, quoted, text};
use super::{Check, ONLY_COMPILES};

/// Whether one address receives connections to the other: a listener on all addresses shares its port with each of them.
pub fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let is_open = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.is_ipv4() == other.is_ipv4() && (is_open || one.ip() == other.ip())
}

impl Check<'_> {
    /// The hash of the administrator's key.
    pub(super) fn admin(&mut self) -> Option<KeyHash> {
        let admin = self.file.admin.as_ref()?;
        let section = Path::section("admin");
        if !ONLY_COMPILES {
            self.admin_listen(&admin.listen, &section.key("listen"));
        }
        let hash = self.key_hash(&admin.sha256, &section.key("sha256"))?;
        let same = |text: &str| KeyHash::from_hex(text) == Some(hash);
        if let Some(index) = self.file.keys.iter().position(|key| same(&key.sha256)) {
            let found = text!("the same key as in keys[{index}]");
            self.diagnostic(
                &section.key("sha256"),
                found,
                "a separate key: a key that calls models must not administer the gateway",
            );
        }
        Some(hash)
    }

    fn admin_listen(&mut self, listen: &str, path: &Path) {
        match listen.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 => {
                if self.file.listen.parse().is_ok_and(|listen| overlap(listen, address)) {
                    self.diagnostic(path, "the address of the gateway itself", "another address");
                }
            }
            _ => self.diagnostic(path, quoted(listen), "an IP address and a port, such as 127.0.0.1:8081"),
        }
    }

    /// The hash of a key for operators.
    pub(super) fn key_hash(&mut self, written: &str, path: &Path) -> Option<KeyHash> {
        let hash = KeyHash::from_hex(written);
        if hash.is_none() {
            // The value may be the key itself, so it is not repeated.
            let found = text!("{} characters that are not a SHA-256", written.chars().count());
            self.diagnostic(path, found, "64 hexadecimal digits, as `sluice keys new --admin` prints them");
        }
        hash
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    #[test]
    fn a_listener_on_all_addresses_receives_connections_to_each() {
        let overlap = |one: &str, other: &str| super::overlap(one.parse().unwrap(), other.parse().unwrap());
        for other in ["127.0.0.1:8081", "0.0.0.0:8081"] {
            assert!(overlap("0.0.0.0:8081", other) && overlap(other, "127.0.0.1:8081"), "{other}");
        }
        for other in ["127.0.0.1:8082", "127.0.0.2:8081", "[::]:8081"] {
            assert!(!overlap("127.0.0.1:8081", other), "{other}");
        }
        let file = |listen: &str| {
            format!(
                r#"{{"listen":"{listen}","providers":{{}},"models":{{}},"teams":{{}},"keys":[],"admin":{{"sha256":"{:064}"}}}}"#,
                1
            )
        };
        let found = |listen: &str| crate::from_json(file(listen).as_bytes()).err().unwrap_or_default();
        assert_eq!(found("127.0.0.1:8080").iter().filter(|one| one.path == "admin.listen").count(), 0);
        assert_eq!(found("0.0.0.0:8081").iter().filter(|one| one.path == "admin.listen").count(), 1);
    }
}
