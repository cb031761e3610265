//! Many clients with requests of the same size, which read to the end or disconnect in the middle; and their provider.
//!
//! The provider is of Anthropic's kind, which reports the prompt's tokens at the start of a stream. So the charge of an abandoned stream is
//! exact if each event is one token. OpenAI's kind reports usage only at the end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sluice_tests::client::Client;
use sluice_tests::gateway::{Builder, Gateway, Kind};
use sluice_tests::simulator::Simulator;
use sluice_tests::until;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use crate::money::{Price, reserved_for};
use crate::{CHAT, ask, with};

/// The price of all models.
pub const PRICE: Price = Price { input: 3.33, output: 14.77 };
/// The tokens that a client reads before it disconnects.
pub const SEEN: u64 = 5;
/// Sends that many tokens, and then nothing. Three events precede the text.
const STALLS: &str = "claude-sim+tokens=9+stall-after=8+whole";
const LAST_TOKEN: &str = "04 ";
/// Responds after a short wait.
const READS: &str = "claude-sim+wait=5";

/// A gateway with their provider.
pub fn gateway(provider: &Simulator) -> Builder {
    Gateway::builder()
        .provider("anthropic", Kind::Anthropic, provider)
        .model("reads", &[("anthropic", READS)])
        .model("stops", &[("anthropic", STALLS)])
        .price(&format!("anthropic/{READS}"), PRICE.input, PRICE.output)
        .price(&format!("anthropic/{STALLS}"), PRICE.input, PRICE.output)
}

/// The reservation of each request.
pub async fn reserved() -> u64 {
    static RESERVED: OnceCell<u64> = OnceCell::const_new();
    let asked = async || reserved_for(gateway(&Simulator::start().await), &Manner::Whole.body()).await;
    *RESERVED.get_or_init(asked).await
}

/// Takes the status of a response.
pub type Told = Box<dyn FnOnce(u16) + Send>;

/// Sends `requests` concurrent requests to a provider that responds only when all are decided. Returns the result of each, and the number
/// of requests that reached the provider.
pub async fn decided<F>(
    provider: &Simulator,
    requests: usize,
    mut ask: impl FnMut(usize, Told) -> F,
) -> (Vec<F::Output>, usize)
where
    F: Future<Output: Send> + Send + 'static,
{
    provider.clear();
    provider.hold();
    let refused = Arc::new(AtomicUsize::default());
    let mut asking = JoinSet::new();
    for number in 0..requests {
        let refused = Arc::clone(&refused);
        let told = move |status| _ = refused.fetch_add(usize::from(status != 200), Ordering::SeqCst);
        asking.spawn(ask(number, Box::new(told)));
    }
    let decided = || refused.load(Ordering::SeqCst) + provider.count() >= requests;
    until("all requests to be decided", || decided().then_some(())).await;
    let passed = provider.count();
    provider.release();
    (asking.join_all().await, passed)
}

/// A client's behavior.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Reads a non-streamed response.
    Whole,
    /// Reads a stream to its end.
    Stream,
    /// Reads five tokens of a stream, and disconnects.
    Leaves,
}

impl Manner {
    pub fn of(number: usize) -> Self {
        match number % 5 {
            0 => Self::Leaves,
            1 | 2 => Self::Stream,
            _ => Self::Whole,
        }
    }

    /// All bodies have the same length, so they reserve the same amount.
    pub fn body(self) -> Value {
        let (model, text, stream) = match self {
            Self::Whole => ("reads", "say one two three", false),
            Self::Stream => ("reads", "say one, two three", true),
            Self::Leaves => ("stops", "say one, two three", true),
        };
        with(ask(model, text), json!({"stream": stream, "max_tokens": SEEN}))
    }

    /// Sends the request, and reports the status as soon as it arrives. Returns it at the end; `None` if the connection was refused or
    /// broke.
    pub async fn send(self, client: Client, told: impl FnOnce(u16)) -> Option<u16> {
        let mut open = client.open("POST", CHAT, self.body().to_string()).await.ok()?;
        let status = open.status();
        told(status);
        if self == Self::Leaves && status == 200 {
            let mut text = String::new();
            while !text.contains(LAST_TOKEN) {
                text += &String::from_utf8_lossy(&open.next().await.ok()??);
            }
            return Some(status);
        }
        open.finish().await.complete.then_some(status)
    }
}

/// Clients that send a new request after every response, successful or not, to one of several gateways.
pub struct Crowd {
    end: Arc<AtomicBool>,
    gateways: Arc<Mutex<Vec<Client>>>,
    served: Arc<AtomicUsize>,
    others: Arc<Mutex<Vec<Option<u16>>>>,
    tasks: JoinSet<()>,
}

impl Crowd {
    /// Starts this many clients, which take turns at these gateways.
    pub fn start(clients: usize, gateways: &[Client]) -> Self {
        let gateways = Arc::new(Mutex::new(gateways.to_vec()));
        let (end, served, others) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default(), Arc::default());
        let mut crowd = Self { end, gateways, served, others, tasks: JoinSet::new() };
        for first in 0..clients {
            let (end, served, others) = (crowd.end.clone(), crowd.served.clone(), crowd.others.clone());
            let gateways = crowd.gateways.clone();
            crowd.tasks.spawn(async move {
                for number in first.. {
                    let client = {
                        let gateways = gateways.lock().expect("no panic");
                        gateways[number % gateways.len()].clone()
                    };
                    match Manner::of(number).send(client, |_| ()).await {
                        Some(200) => _ = served.fetch_add(1, Ordering::SeqCst),
                        other => {
                            others.lock().expect("no panic").push(other);
                            // A rejected client sends again after a pause.
                            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                        }
                    }
                    if end.load(Ordering::SeqCst) {
                        return;
                    }
                }
            });
        }
        crowd
    }

    /// Sends further requests to these gateways, as a load balancer does when one of them is not ready.
    pub fn goes_to(&self, gateways: &[Client]) {
        *self.gateways.lock().expect("no panic") = gateways.to_vec();
    }

    /// Waits until this many more were served.
    pub async fn served(&self, more: usize) {
        let before = self.served.load(Ordering::SeqCst);
        until("the crowd to be served", || (self.served.load(Ordering::SeqCst) >= before + more).then_some(())).await;
    }

    /// Waits until this many more were not served.
    pub async fn turned_away(&self, more: usize) {
        let count = || self.others.lock().expect("no panic").len();
        let before = count();
        until("the crowd to be turned away", || (count() >= before + more).then_some(())).await;
    }

    /// Stops all clients; returns the statuses of the requests that were not served.
    pub async fn leave(self) -> Vec<Option<u16>> {
        self.end.store(true, Ordering::SeqCst);
        self.tasks.join_all().await;
        std::mem::take(&mut *self.others.lock().expect("no panic"))
    }
}
