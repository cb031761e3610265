//! Providers behind a proxy. This proxy requires a password, and knows one host: another gateway, over TLS.

use std::fs;
use std::sync::{Arc, Mutex};

use serde_json::json;
use sluice_tests::gateway::{Gateway, KEY, Kind};
use sluice_tests::simulator::Simulator;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::tls::{authority, certificate_for};
use crate::{ask, refusal, said};

/// A proxy that connects all tunnels to one port, and the heads of the requests for them.
async fn proxy(to: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let told = told.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.expect("a head"));
                }
                let head = String::from_utf8(head).expect("text");
                let known = head.contains("proxy-authorization: Basic dTpw\r\n") && head.contains("provider.test:443");
                told.lock().unwrap().push(head);
                if !known {
                    let _ = client
                        .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
                        .await;
                    return;
                }
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("a client");
                let mut server = TcpStream::connect(("127.0.0.1", to)).await.expect("a server");
                // Either side may end the tunnel.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, heads)
}

#[tokio::test]
async fn a_provider_is_reached_through_the_proxy_of_the_environment_and_others_are_not() {
    let (simulator, directory) = (Simulator::start().await, tempfile::tempdir().unwrap());
    let authority = authority("a provider's");
    let path = |name: &str| directory.path().join(name).display().to_string();
    for (name, text) in ["tls.crt", "tls.key"].into_iter().zip(certificate_for("provider.test", &authority)) {
        fs::write(path(name), text).unwrap();
    }
    fs::write(path("ca.crt"), authority.pem()).unwrap();
    fs::write(path("provider.key"), KEY).unwrap();
    let provider = Gateway::builder()
        .provider("openai", Kind::OpenAi, &simulator)
        .model("gpt-sim", &[("openai", "gpt-sim")])
        .with(json!({"tls": {"certificate": path("tls.crt"), "key": path("tls.key")}}))
        .start()
        .await;
    let (port, heads) = proxy(provider.port()).await;

    let start = async |password: &str| {
        let kind = json!({"kind": "openai", "url": "https://provider.test/v1", "key": {"file": path("provider.key")}});
        let target = json!({"targets": [{"provider": "far", "model": "gpt-sim"}]});
        Gateway::builder()
            .provider("near", Kind::OpenAi, &simulator)
            .model("near", &[("near", "gpt-sim")])
            .with(json!({"providers": {"far": kind}, "models": {"far": target}}))
            .environment("HTTPS_PROXY", &format!("http://u:{password}@127.0.0.1:{port}"))
            .environment("NO_PROXY", "example.com")
            .argument("--ca")
            .argument(&path("ca.crt"))
            .start()
            .await
    };
    let gateway = start("p").await;
    let answer = gateway.chat(&ask("far", "say hi")).await;
    assert_eq!((answer.status, &*said(&answer)), (200, "hi"), "{}", answer.text());
    assert_eq!(gateway.stream(&ask("far", "say hi")).await.streamed_text(), "hi");
    let tunnels = heads.lock().unwrap().len();
    assert!(tunnels > 0 && heads.lock().unwrap().iter().all(|head| head.starts_with("CONNECT provider.test:443 ")));
    assert_eq!(gateway.chat(&ask("near", "hi")).await.status, 200);
    assert_eq!(heads.lock().unwrap().len(), tunnels, "the other is near");
    let told = gateway.errors() + &gateway.output();
    assert!(!told.contains("u:p@") && !told.contains("dTpw"), "{told}");

    let wrong = start("wrong").await;
    assert_eq!(refusal(&wrong.chat(&ask("far", "hi")).await).0, 503);
}
