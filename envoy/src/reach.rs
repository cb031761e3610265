//! Short requests that find out whether a server responds, for `sluice check`, `sluice init` and `sluice doctor`. Each has a timeout, and
//! so have all together.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use sluice_core::provider::url::Url;
use ureq::Agent;

/// The timeout of one request.
const PATIENCE: Duration = Duration::from_millis(1_000);
/// The timeout of all concurrent requests of `sluice check` and `sluice init`: DNS lookups may take long.
pub const ALL: Duration = Duration::from_millis(2_000);
const LARGEST_ANSWER: u64 = 1 << 20;

/// Runs all questions concurrently. The result of one that does not finish in time is `None`.
pub fn all<T: Send + 'static>(questions: Vec<Box<dyn FnOnce() -> T + Send>>, within: Duration) -> Vec<Option<T>> {
    let (sender, answers) = mpsc::channel();
    let count = questions.len();
    for (place, question) in questions.into_iter().enumerate() {
        let sender = sender.clone();
        thread::spawn(move || sender.send((place, question())));
    }
    drop(sender);
    let mut found: Vec<Option<T>> = (0..count).map(|_| None).collect();
    let end = Instant::now() + within;
    while let Ok((place, answer)) = answers.recv_timeout(end.saturating_duration_since(Instant::now())) {
        if let Some(slot) = found.get_mut(place) {
            *slot = Some(answer);
        }
    }
    found
}

/// The status and body of a GET request.
pub fn get(url: &str, bearer: Option<&str>) -> Result<(u16, String), String> {
    let config = Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
    let agent: Agent = config.proxy(None).max_redirects(0).build().into();
    let mut request = agent.get(url);
    if let Some(token) = bearer {
        request = request.header("authorization", &format!("Bearer {token}"));
    }
    let mut answer = request.call().map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let text = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string();
    Ok((status, text.unwrap_or_default()))
}

/// Checks that a server accepts connections; else returns the reason.
pub fn connects(url: &Url) -> Result<(), String> {
    let address = address(url)?;
    TcpStream::connect_timeout(&address, PATIENCE).map(drop).map_err(|error| error.to_string())
}

/// Whether a Redis without HTTP listens there.
pub fn is_redis(url: &Url) -> bool {
    let ask = || -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address(url).ok()?, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(b"PING\r\n").ok()?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).ok()?;
        Some(answer.to_vec())
    };
    ask().is_some_and(|answer| answer == b"+PONG\r\n" || answer == b"-NOAUTH")
}

/// Whether a URL is on this machine or in a private network, so that a request to it tells nothing to third parties.
pub fn is_near(url: &Url) -> bool {
    match url.host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => url.host == "localhost" || url.host.ends_with(".localhost"),
    }
}

fn address(url: &Url) -> Result<SocketAddr, String> {
    let mut addresses = (url.host.as_str(), url.port).to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "the host name has no IP address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_asked() {
        for (url, near) in [
            ("http://127.0.0.1:1", true),
            ("http://localhost:1", true),
            ("http://[::1]:1", true),
            ("http://10.1.2.3", true),
            ("http://192.168.0.9:11434/v1", true),
            ("https://api.openai.com/v1", false),
            ("http://8.8.8.8", false),
            ("http://ollama:11434", false),
        ] {
            assert_eq!(is_near(&Url::parse(url).unwrap()), near, "{url}");
        }
    }

    #[test]
    fn a_question_without_an_answer_keeps_nobody() {
        let questions: Vec<Box<dyn FnOnce() -> u8 + Send>> = vec![
            Box::new(|| 1),
            Box::new(|| {
                loop {
                    thread::park();
                }
            }),
        ];
        assert_eq!(all(questions, ALL), [Some(1), None]);
    }
}
