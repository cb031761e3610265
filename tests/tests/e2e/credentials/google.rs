//! Google Cloud access tokens, which the command fetches from stand-ins for the token endpoint and the metadata server.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};
use sluice_tests::gateway::{Builder, Gateway, Kind};
use sluice_tests::simulator::{Recorded, Simulator};
use sluice_tests::standin::StandIn;
use sluice_tests::{eventually, until};

use super::shown;
use crate::ask;

/// A key of no account.
const KEY: &str = include_str!("../../../../envoy/tests/fixtures/service_account.json");

/// An account's key with this token endpoint.
fn key(token_uri: &str) -> Value {
    let mut key: Value = serde_json::from_str(KEY).unwrap();
    key["token_uri"] = token_uri.into();
    key
}

/// Whether the request is a valid token request of the account: checks the claims and the signature.
fn is_the_accounts(request: &Recorded) -> bool {
    let body = String::from_utf8_lossy(&request.body);
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let Some((signed, signature)) = body.strip_prefix(grant).and_then(|rest| rest.rsplit_once('.')) else {
        return false;
    };
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let pem: String = key("")["private_key"].as_str().unwrap().lines().filter(|line| !line.starts_with('-')).collect();
    let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(pem).unwrap()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    let claims = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let host = request.header("host").unwrap_or_default();
    public.verify(signed.as_bytes(), &signature).is_ok()
        && claims["iss"] == "gateway@a-test.iam.gserviceaccount.com"
        && claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        && claims["aud"] == format!("http://{host}/token")
        && claims["exp"].as_u64() == claims["iat"].as_u64().map(|issued| issued + 3600)
}

fn gateway(provider: &Simulator, google: &Value) -> Builder {
    Gateway::builder()
        .provider("vertex", Kind::OpenAi, provider)
        .credential("google", google.clone())
        .provider("other", Kind::OpenAi, provider)
        .model("vertex", &[("vertex", "gpt-sim")])
        .model("chat", &[("vertex", "gpt-sim"), ("other", "gpt-sim")])
}

/// Writes an account's key to a file in this directory.
fn written(directory: &Path, endpoint: &StandIn) -> String {
    let file = directory.join("account.json");
    fs::write(&file, format!("{:#}\n", key(&format!("{}/token", endpoint.url())))).unwrap();
    file.display().to_string()
}

#[tokio::test]
async fn a_service_accounts_token_is_renewed_and_an_outage_of_the_endpoint_is_survived() {
    let provider = Simulator::start().await;
    let (given, broken) = (AtomicUsize::default(), Arc::new(AtomicBool::new(true)));
    let out_of_order = Arc::clone(&broken);
    let endpoint = StandIn::start(move |request| {
        if out_of_order.load(Ordering::SeqCst) {
            return (503, json!({"error": "unavailable"}));
        }
        if !is_the_accounts(request) {
            return (400, json!({"error": "invalid_grant"}));
        }
        let number = given.fetch_add(1, Ordering::SeqCst);
        (200, json!({"access_token": format!("ya29.{number}"), "expires_in": 2, "token_type": "Bearer"}))
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let file = written(directory.path(), &endpoint);
    let gateway = gateway(&provider, &json!({"service_account": {"file": file}})).start().await;

    // The gateway starts nevertheless, and the next target serves.
    let served = gateway.chat(&ask("chat", "hi")).await;
    assert_eq!((served.status, served.header("x-sluice-provider")), (200, Some("other")));
    let told = format!(
        "provider vertex: cannot get a new access token: {}/token answers with status 503: unavailable",
        endpoint.url()
    );
    until("what is said of it", || gateway.errors().contains(&told).then_some(())).await;
    assert!(gateway.errors().contains("there is no token until then"), "{}", gateway.errors());

    broken.store(false, Ordering::SeqCst);
    let asked = async || {
        let status = gateway.chat(&ask("vertex", "hi")).await.status;
        shown(&provider).filter(|_| status == 200).unwrap_or_default()
    };
    eventually("a token", async || asked().await.starts_with("Bearer ya29.")).await;
    let first = shown(&provider).unwrap_or_default();
    eventually("a token after the first", async || asked().await != first).await;

    broken.store(true, Ordering::SeqCst);
    until("an outage", || gateway.errors().contains("the gateway keeps the old token").then_some(())).await;
    assert!(asked().await.starts_with("Bearer ya29."));
    broken.store(false, Ordering::SeqCst);
    let back = "provider vertex: got a new access token";
    until("the end of the outage", || (gateway.errors().matches(back).count() == 2).then_some(())).await;
    let told = gateway.errors() + &gateway.output();
    assert!(!["ya29.", "PRIVATE", "assertion"].iter().any(|secret| told.contains(secret)), "{told}");
}

#[tokio::test]
async fn without_an_account_it_is_that_of_the_environment_or_the_machines() {
    let provider = Simulator::start().await;
    let google = StandIn::start(|request| {
        let machine = request.header("metadata-flavor") == Some("Google")
            && request.path
                == "/computeMetadata/v1/instance/service-accounts/default/token\
                    ?scopes=https://www.googleapis.com/auth/cloud-platform";
        let token = match (machine, is_the_accounts(request)) {
            (true, false) => "of-the-machine",
            (false, true) => "of-the-account",
            _ => return (404, json!({})),
        };
        (200, json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}))
    })
    .await;
    let builder = || gateway(&provider, &json!({})).environment("GCE_METADATA_HOST", &google.authority());
    let machine = builder().start().await;
    assert_eq!(machine.chat(&ask("vertex", "hi")).await.status, 200);
    assert_eq!(shown(&provider).as_deref(), Some("Bearer of-the-machine"));

    let directory = tempfile::tempdir().unwrap();
    let file = written(directory.path(), &google);
    let account = builder().environment("GOOGLE_APPLICATION_CREDENTIALS", &file).start().await;
    assert_eq!(account.chat(&ask("vertex", "hi")).await.status, 200);
    assert_eq!(shown(&provider).as_deref(), Some("Bearer of-the-account"));
}
