//! Microsoft Entra access tokens, which Envoy fetches from a stand-in for the authority.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use sluice_tests::eventually;
use sluice_tests::gateway::{Gateway, Kind};
use sluice_tests::simulator::Simulator;
use sluice_tests::standin::StandIn;

use super::shown;
use crate::{ask, refusal};

#[tokio::test]
async fn a_token_is_fetched_with_the_clients_secret_and_fetched_again_before_it_expires() {
    let provider = Simulator::start().await;
    let given = AtomicUsize::default();
    let out_of_order = Arc::new(AtomicBool::new(true));
    let broken = Arc::clone(&out_of_order);
    let authority = StandIn::start(move |_| {
        if broken.load(Ordering::SeqCst) {
            return (503, json!({"error": "temporarily_unavailable"}));
        }
        let number = given.fetch_add(1, Ordering::SeqCst);
        (200, json!({"token_type": "Bearer", "expires_in": 4, "access_token": format!("token-{number}")}))
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    fs::write(&secret, "s3cr&t").unwrap();
    let entra = json!({
        "tenant": "contoso.com", "client_id": "the-app", "client_secret": {"file": secret}, "authority": authority.url(),
    });
    let gateway = Gateway::builder()
        .provider("azure", Kind::OpenAi, &provider)
        .credential("entra", entra)
        .provider("other", Kind::OpenAi, &provider)
        .model("azure", &[("azure", "gpt-sim")])
        .model("chat", &[("azure", "gpt-sim"), ("other", "gpt-sim")])
        .start()
        .await;

    // Without a token the provider rejects the request, so the gateway tries the next target.
    let refused = gateway.chat(&ask("azure", "hi")).await;
    assert_eq!(refusal(&refused), (502, "provider_refused_credential".to_owned()));
    let served = gateway.chat(&ask("chat", "hi")).await;
    assert_eq!((served.status, served.header("x-sluice-provider")), (200, Some("other")));
    assert_eq!(shown(&provider).as_deref(), Some("Bearer sk-other"));

    out_of_order.store(false, Ordering::SeqCst);
    eventually("a token", async || gateway.chat(&ask("azure", "hi")).await.status == 200).await;
    let first = shown(&provider).unwrap_or_default();
    assert!(first.starts_with("Bearer token-"), "{first}");
    let asked = &authority.requests()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/contoso.com/oauth2/v2.0/token"));
    assert_eq!(
        String::from_utf8_lossy(&asked.body),
        "grant_type=client_credentials&client_id=the-app&client_secret=s3cr%26t\
         &scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default"
    );
    eventually("a token after the first", async || {
        assert_eq!(gateway.chat(&ask("azure", "hi")).await.status, 200);
        shown(&provider).unwrap_or_default() != first
    })
    .await;

    fs::write(&secret, "another").unwrap();
    eventually("the new secret to be used", async || {
        authority
            .requests()
            .last()
            .is_some_and(|asked| String::from_utf8_lossy(&asked.body).contains("client_secret=another"))
    })
    .await;
    let told = gateway.errors() + &gateway.output();
    assert!(!["s3cr&t", "token-0", "token-1"].iter().any(|secret| told.contains(secret)), "{told}");
}
