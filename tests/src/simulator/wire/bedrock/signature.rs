//! Verifies Amazon's signatures, version 4: the signed path is escaped once more than the sent path.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use crate::simulator::Credentials;
use crate::simulator::call::Call;
use crate::simulator::reply::Refusal;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The maximum difference between a request's time and the local clock.
const SKEW: Duration = Duration::from_secs(5 * 60);

fn denied(code: &'static str, message: &str) -> Refusal {
    Refusal { code: Some(code), ..Refusal::new(403, message) }
}

/// The parts of the `authorization` header.
struct Signed<'a> {
    access_key: &'a str,
    /// Date, region, service and terminator.
    scope: &'a str,
    headers: &'a str,
    signature: &'a str,
}

impl<'a> Signed<'a> {
    fn read(header: &'a str) -> Option<Self> {
        let fields = header.strip_prefix(ALGORITHM)?.trim_start();
        let field = |name: &str| {
            let mut fields = fields.split(',').map(str::trim);
            fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let (access_key, scope) = field("Credential")?.split_once('/')?;
        Some(Self { access_key, scope, headers: field("SignedHeaders")?, signature: field("Signature")? })
    }
}

/// Checks the signature's form, and with known credentials the signature itself.
pub fn check(call: &Call<'_>, header: &str, keys: Option<&Credentials>) -> Result<(), Refusal> {
    let incomplete =
        || denied("IncompleteSignatureException", "Authorization header requires existence of a signature.");
    let signed = Signed::read(header).ok_or_else(incomplete)?;
    let date = call.header("x-amz-date");
    let [day, _, service, end] = signed.scope.split('/').collect::<Vec<_>>()[..] else { return Err(incomplete()) };
    let named = |name: &str| signed.headers.split(';').any(|signed| signed == name);
    let token = call.headers.contains_key("x-amz-security-token") && !named("x-amz-security-token");
    if service != "bedrock" || end != "aws4_request" || !date.starts_with(day) || !named("host") || token {
        return Err(denied("InvalidSignatureException", "Credential should be scoped to a valid region and service."));
    }
    let Some(keys) = keys else { return Ok(()) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if seconds(date).is_none_or(|at| at.abs_diff(now.as_secs()) > SKEW.as_secs()) {
        return Err(denied("InvalidSignatureException", &format!("Signature expired: {date} is too far from now.")));
    }
    if signed.access_key != keys.access_key {
        return Err(denied("UnrecognizedClientException", "The security token included in the request is invalid."));
    }
    if sign(call, &signed, date, &keys.secret_key) != signed.signature {
        return Err(denied(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.",
        ));
    }
    Ok(())
}

fn sign(call: &Call<'_>, signed: &Signed<'_>, date: &str, secret: &str) -> String {
    let request = hex(&Sha256::digest(canonical(call, signed.headers)));
    let text = format!("{ALGORITHM}\n{date}\n{}\n{request}", signed.scope);
    let key =
        signed.scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part.as_bytes()));
    hex(&hmac(&key, text.as_bytes()))
}

fn canonical(call: &Call<'_>, signed: &str) -> String {
    let mut pairs = call.query.split('&').filter(|pair| !pair.is_empty()).collect::<Vec<_>>();
    pairs.sort_unstable();
    let mut text = format!("{}\n{}\n{}\n", call.method, escape(call.path), pairs.join("&"));
    for name in signed.split(';') {
        let words = call.header(name).split_ascii_whitespace().collect::<Vec<_>>();
        let _ = writeln!(text, "{name}:{}", words.join(" "));
    }
    let _ = write!(text, "\n{signed}\n{}", hex(&Sha256::digest(call.body)));
    text
}

/// Escapes the sent path again.
fn escape(path: &str) -> String {
    let mut escaped = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                escaped.push(char::from(byte))
            }
            _ => _ = write!(escaped, "%{byte:02X}"),
        }
    }
    escaped
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    let short = if key.len() > block.len() { Sha256::digest(key).to_vec() } else { key.to_vec() };
    block[..short.len()].copy_from_slice(&short);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Parses a time such as `20260102T030405Z` into seconds since 1970.
fn seconds(date: &str) -> Option<u64> {
    let number = |from: usize, to: usize| date.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    // Years start in March, so that a leap day is the last day of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day.checked_sub(1)?;
    Some(days.checked_sub(719_468)? * 86_400 + number(9, 11)? * 3600 + number(11, 13)? * 60 + number(13, 15)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyed_hashes_are_as_the_standard_has_them() {
        // RFC 4231, test case 2.
        let hash = hex(&hmac(b"Jefe", b"what do ya want for nothing?"));
        assert_eq!(hash, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_request_of_amazons_test_suite_has_its_signature() {
        let (parts, ()) = hyper::Request::builder()
            .uri("/")
            .header("host", "example.amazonaws.com")
            .header("x-amz-date", "20150830T123600Z")
            .body(())
            .unwrap()
            .into_parts();
        let (body, memory) = (bytes::Bytes::new(), crate::simulator::memory::Memory::default());
        let call = Call::new(&parts, &body, &memory);
        let scope = "20150830/us-east-1/service/aws4_request";
        let signed = Signed { access_key: "AKIDEXAMPLE", scope, headers: "host;x-amz-date", signature: "" };
        let signature = sign(&call, &signed, "20150830T123600Z", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        assert_eq!(signature, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    }

    #[test]
    fn times_are_read() {
        assert_eq!(seconds("19700101T000000Z"), Some(0));
        assert_eq!(seconds("20240229T010203Z"), Some(1_709_168_523));
        assert_eq!(seconds("2024"), None);
    }

    #[test]
    fn a_path_is_escaped_twice() {
        assert_eq!(escape("/model/a.b%3A0/converse"), "/model/a.b%253A0/converse");
    }
}
