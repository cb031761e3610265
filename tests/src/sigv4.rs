//! Verifies AWS signatures (SigV4) as AWS does. The check works on the received request, follows AWS' own description,
//! and shares no code with the signer. It ignores the signature's age.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write as _;

use ring::hmac;
use sha2::{Digest as _, Sha256};

use crate::simulator::Recorded;

/// The AWS account and service that a signature must match.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// The access key id.
    pub id: &'a str,
    /// The secret access key.
    pub secret: &'a str,
    /// The session token of temporary credentials.
    pub token: Option<&'a str>,
    pub region: &'a str,
    /// The service name in the signature's scope.
    pub service: &'a str,
}

/// Returns an error with the reason if the signature does not match the account or the request.
pub fn verify(request: &Recorded, account: &Account<'_>) -> Result<(), String> {
    let authorization = request.header("authorization").ok_or("no authorization")?;
    let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("another algorithm")?;
    let field = |name: &str| {
        let found = fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        found.ok_or_else(|| format!("no {name} in {fields}"))
    };
    let (credential, signed, signature) = (field("Credential")?, field("SignedHeaders")?, field("Signature")?);

    let time = request.header("x-amz-date").ok_or("no x-amz-date")?;
    let date = time.get(..8).ok_or("a short x-amz-date")?;
    let scope = format!("{date}/{}/{}/aws4_request", account.region, account.service);
    if credential != format!("{}/{scope}", account.id) {
        return Err(format!("the credential {credential} of another account or scope than {}/{scope}", account.id));
    }
    if request.header("x-amz-security-token") != account.token {
        return Err("another session token".to_owned());
    }
    let payload = hex(&Sha256::digest(&request.body));
    if request.header("x-amz-content-sha256").is_some_and(|told| told != payload) {
        return Err("x-amz-content-sha256 of another body".to_owned());
    }

    let canonical = canonical(request, signed, &payload)?;
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(&canonical)));
    let start = format!("AWS4{}", account.secret).into_bytes();
    let key = [date, account.region, account.service, "aws4_request"]
        .iter()
        .fold(start, |key, part| sign(&key, part.as_bytes()));
    if hex(&sign(&key, to_sign.as_bytes())) == signature {
        Ok(())
    } else {
        Err(format!("the signature does not match; the canonical request is\n{canonical}"))
    }
}

fn canonical(request: &Recorded, signed: &str, payload: &str) -> Result<String, String> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let mut query: Vec<&str> = query.split('&').filter(|part| !part.is_empty()).collect();
    query.sort_unstable();
    let mut canonical = format!("{}\n{}\n{}\n", request.method, encoded(path), query.join("&"));
    let names: Vec<&str> = signed.split(';').collect();
    if !names.is_sorted() || !names.contains(&"host") {
        return Err(format!("the signed headers {signed} are unsorted or without host"));
    }
    let forgotten =
        request.headers.iter().find(|(name, _)| name.starts_with("x-amz-") && !names.contains(&name.as_str()));
    if let Some((name, _)) = forgotten {
        return Err(format!("{name} is not signed"));
    }
    for name in &names {
        let values = request.headers.iter().filter(|(known, _)| known == name);
        let values: Vec<String> = values.map(|(_, value)| trimmed(&String::from_utf8_lossy(value))).collect();
        if values.is_empty() {
            return Err(format!("the signed header {name} has not arrived"));
        }
        let _ = writeln!(canonical, "{name}:{}", values.join(","));
    }
    let _ = write!(canonical, "\n{signed}\n{payload}");
    Ok(canonical)
}

fn trimmed(value: &str) -> String {
    value.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The path as all services except S3 sign it: the encoded path is encoded again.
fn encoded(path: &str) -> String {
    path.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

fn sign(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    /// The account in AWS' published examples.
    const ACCOUNT: Account<'_> = Account {
        id: "AKIDEXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        token: None,
        region: "us-east-1",
        service: "service",
    };

    /// AWS' example `get-vanilla`.
    fn request(path: &str, body: &'static str) -> Recorded {
        let (parts, ()) = hyper::Request::builder()
            .uri(path)
            .header("host", "example.amazonaws.com")
            .header("x-amz-date", "20150830T123600Z")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, \
                 Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            )
            .body(())
            .unwrap()
            .into_parts();
        Recorded::new(&parts, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn a_published_example_is_good_and_nothing_of_it_may_change() {
        assert_eq!(verify(&request("/", ""), &ACCOUNT), Ok(()));
        for (changed, account) in [
            (request("/a", ""), ACCOUNT),
            (request("/?a=b", ""), ACCOUNT),
            (request("/", "body"), ACCOUNT),
            (request("/", ""), Account { secret: "another", ..ACCOUNT }),
            (request("/", ""), Account { region: "eu-west-3", ..ACCOUNT }),
            (request("/", ""), Account { token: Some("t"), ..ACCOUNT }),
        ] {
            assert!(verify(&changed, &account).is_err());
        }
    }

    #[test]
    fn a_path_is_encoded_once_more() {
        assert_eq!(encoded("/model/anthropic.claude-3%3A0/converse"), "/model/anthropic.claude-3%253A0/converse");
    }
}
