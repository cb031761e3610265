//! A Google service account key in JSON, and the assertion that it signs in exchange for a token (RFC 7523).
//!
//! <https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests>

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;
use sluice_core::provider::url::Url;

/// The OAuth scope. The account's own permissions are set in Google Cloud.
pub const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// The lifetime of an assertion: the maximum that Google allows.
const LIFETIME: u64 = 3600;

/// A service account with its signing key.
#[derive(Debug)]
pub struct Account {
    /// The token endpoint.
    pub token_uri: String,
    email: String,
    key_id: Option<String>,
    key: RsaKeyPair,
}

/// The expected fields. All are optional here, so that a missing one is reported without quoting others.
#[derive(Deserialize)]
struct Written {
    #[serde(rename = "type")]
    kind: Option<String>,
    client_email: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<String>,
    token_uri: Option<String>,
}

impl Account {
    /// Parses a key. Errors never contain a part of it.
    pub fn read(text: &str) -> Result<Self, String> {
        let none = "it is not a service account key, which is JSON with type, client_email, private_key and token_uri";
        // An error of serde may quote a value.
        let written: Written = serde_json::from_str(text).map_err(|_| none.to_owned())?;
        if let Some(kind) = written.kind.as_ref().filter(|kind| *kind != "service_account") {
            return Err(format!("its type is {kind:?}, but only \"service_account\" is supported"));
        }
        let (Some(_), Some(email), Some(key), Some(token_uri)) =
            (written.kind, written.client_email, written.private_key, written.token_uri)
        else {
            return Err(none.to_owned());
        };
        if !is_private(&token_uri) {
            return Err("its token_uri must start with https".to_owned());
        }
        let key = PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes())
            .map_err(|_| "its private_key is not a private key in PEM format".to_owned())?;
        let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der())
            .map_err(|error| format!("its private_key cannot be used: {error}"))?;
        Ok(Self { token_uri, email, key_id: written.private_key_id, key })
    }

    /// Signs an assertion; `now` is in seconds since 1970.
    pub fn assertion(&self, now: u64) -> Result<String, String> {
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.key_id {
            header["kid"] = id.as_str().into();
        }
        let claims = json!({
            "iss": self.email, "scope": SCOPE, "aud": self.token_uri, "iat": now, "exp": now + LIFETIME,
        });
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| "its private_key cannot create a signature".to_owned())?;
        Ok(format!("{signed}.{}", encode(&signature)))
    }
}

/// Whether the connection is encrypted or local.
fn is_private(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| {
        url.tls || url.host == "localhost" || url.host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    const KEY: &str = include_str!("../../../tests/fixtures/service_account.json");

    #[test]
    fn an_assertion_says_who_asks_for_what_and_is_signed() {
        let account = Account::read(KEY).unwrap();
        let assertion = account.assertion(1_800_000_000).unwrap();
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, account.key.public().as_ref());
        public.verify(signed.as_bytes(), &signature).unwrap();
        let part = |text: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        assert_eq!(part(header), json!({"alg": "RS256", "typ": "JWT", "kid": "0123456789abcdef"}));
        let expected = json!({
            "iss": "gateway@a-test.iam.gserviceaccount.com",
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "aud": "https://oauth2.googleapis.com/token",
            "iat": 1_800_000_000, "exp": 1_800_003_600,
        });
        assert_eq!(part(claims), expected);
    }

    #[test]
    fn what_is_no_key_is_told_without_repeating_it() {
        let with = |field: &str, value: &str| {
            let mut key: Value = serde_json::from_str(KEY).unwrap();
            key[field] = value.into();
            key.to_string()
        };
        for (text, expected) in [
            ("sk-secret".to_owned(), "it is not a service account key, which is JSON with"),
            (
                "{\"type\": \"service_account\", \"private_key\": \"sk-secret\"}".to_owned(),
                "it is not a service account",
            ),
            (with("type", "authorized_user"), "its type is \"authorized_user\""),
            (with("token_uri", "http://oauth2.example/token"), "its token_uri must start with https"),
            (with("private_key", "sk-secret"), "its private_key is not a private key in PEM"),
            (
                with("private_key", "-----BEGIN PRIVATE KEY-----\nc2stc2VjcmV0\n-----END PRIVATE KEY-----\n"),
                "its private_key cannot be used",
            ),
        ] {
            let problem = Account::read(&text).unwrap_err();
            assert!(problem.starts_with(expected) && !problem.contains("sk-secret"), "{problem}");
        }
    }
}
