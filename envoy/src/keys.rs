//! Virtual keys: made here, shown once, and kept by the gateway file as a hash only.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::render::quote;

const PREFIX: &str = "sk-sluice-";
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 27 digits of base 62 hold 160 bits.
const RANDOM_DIGITS: usize = 27;
/// 6 digits of base 62 hold 32 bits.
const CHECK_DIGITS: u32 = 6;

/// A virtual key's text: `sk-sluice-`, 160 random bits, and a checksum by which scanners and typists tell a real one.
pub struct Secret(String);

impl Secret {
    /// Makes one from the operating system's randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut text = PREFIX.to_owned();
        while text.len() < PREFIX.len() + RANDOM_DIGITS {
            let mut bytes = [0; 64];
            getrandom::fill(&mut bytes)?;
            // Below a multiple of 62, so that every digit is as likely as another.
            let digits = bytes.iter().filter(|byte| **byte < 248).map(|byte| DIGITS[usize::from(*byte) % 62]);
            text.extend(digits.map(char::from).take(PREFIX.len() + RANDOM_DIGITS - text.len()));
        }
        text += &checksum(&text);
        Ok(Self(text))
    }

    /// The secret itself.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What the gateway file holds.
    pub fn sha256(&self) -> String {
        Sha256::digest(&self.0).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// CRC-32 in base 62.
fn checksum(text: &str) -> String {
    let sum = crc32fast::hash(text.as_bytes());
    (0..CHECK_DIGITS).rev().map(|place| char::from(DIGITS[(sum / 62_u32.pow(place) % 62) as usize])).collect()
}

/// A key's entry in the gateway file.
pub struct Entry<'a> {
    pub id: &'a str,
    pub team: &'a str,
    pub sha256: &'a str,
    pub models: &'a [String],
    pub expires: Option<&'a str>,
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  - id: {}", quote(self.id))?;
        writeln!(f, "    sha256: {}", quote(self.sha256))?;
        writeln!(f, "    team: {}", quote(self.team))?;
        if !self.models.is_empty() {
            let models: Vec<String> = self.models.iter().map(|model| quote(model)).collect();
            writeln!(f, "    models: [{}]", models.join(", "))?;
        }
        if let Some(expires) = self.expires {
            writeln!(f, "    expires: {}", quote(expires))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_carries_its_checksum() {
        let key = Secret::generate().unwrap();
        let (body, sum) = key.text().split_at(PREFIX.len() + RANDOM_DIGITS);
        assert!(body.starts_with("sk-sluice-"));
        assert_eq!(sum, checksum(body));
        assert!(key.text()[PREFIX.len()..].bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_ne!(key.text(), Secret::generate().unwrap().text());
    }

    #[test]
    fn the_checksum_is_crc32_in_base_62() {
        // CRC-32 of the standard check text is 0xCBF43926.
        let value = checksum("123456789")
            .bytes()
            .fold(0_u64, |value, digit| value * 62 + DIGITS.iter().position(|known| *known == digit).unwrap() as u64);
        assert_eq!(value, 0xCBF4_3926);
    }

    #[test]
    fn an_entry_is_ready_to_paste() {
        let key = Secret::generate().unwrap();
        let (sha256, models) = (key.sha256(), ["chat".to_owned()]);
        let entry =
            Entry { id: "on", team: "t", sha256: &sha256, models: &models, expires: Some("2027-01-31T00:00:00Z") };
        let text = format!(
            "providers: {{ p: {{ kind: openai }} }}\nmodels: {{ chat: {{ targets: [{{ provider: p, model: m }}] }} \
             }}\nteams: {{ t: {{}} }}\nkeys:\n{entry}"
        );
        let gateway = crate::check::check(&text).unwrap().gateway;
        let hash = sluice_core::config::KeyHash::from_hex(&sha256).unwrap();
        assert_eq!(&*gateway.keys[&hash].caller.key_id, "on");
    }
}
