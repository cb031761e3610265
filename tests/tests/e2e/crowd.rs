//! Clients in numbers, who read to the end or leave in the middle, all with requests of one size; and the provider that
//! serves them.
//!
//! It is one of Anthropic's kind, which says at the beginning of a stream how large the prompt was: so the bill of a stream
//! that is left is exact, as long as an event is a token. One of OpenAI's kind says so at the end only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use sluice_tests::client::Client;
use sluice_tests::gateway::{Builder, Gateway, Kind};
use sluice_tests::simulator::Simulator;
use sluice_tests::until;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use crate::money::{Price, reserved_for};
use crate::{CHAT, ask, with};

/// What everything costs.
pub const PRICE: Price = Price { input: 3.33, output: 14.77 };
/// How many tokens those see who leave.
pub const SEEN: u64 = 5;
/// Sends that many and then nothing more, for ever. Before the text stand three events.
const STALLS: &str = "claude-sim+tokens=9+stall-after=8+whole";
const LAST_TOKEN: &str = "04 ";
/// Does not answer at once.
const READS: &str = "claude-sim+wait=5";

/// A gateway before their provider.
pub fn gateway(provider: &Simulator) -> Builder {
    Gateway::builder()
        .provider("anthropic", Kind::Anthropic, provider)
        .model("reads", &[("anthropic", READS)])
        .model("stops", &[("anthropic", STALLS)])
        .price(&format!("anthropic/{READS}"), PRICE.input, PRICE.output)
        .price(&format!("anthropic/{STALLS}"), PRICE.input, PRICE.output)
}

/// What is reserved for each of their requests.
pub async fn reserved() -> u64 {
    static RESERVED: OnceCell<u64> = OnceCell::const_new();
    let asked = async || reserved_for(gateway(&Simulator::start().await), &Manner::Whole.body()).await;
    *RESERVED.get_or_init(asked).await
}

/// Takes the status of an answer.
pub type Told = Box<dyn FnOnce(u16) + Send>;

/// Has so many ask at the same time, of a provider that answers nobody until all are decided. Gives back what became of each,
/// and how many of the requests reached the provider.
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

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Reads an answer in one piece.
    Whole,
    /// Reads a stream to its end.
    Stream,
    /// Reads five tokens of a stream, and leaves.
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

    /// All as long as each other, so that the same is reserved for each.
    pub fn body(self) -> Value {
        let (model, text, stream) = match self {
            Self::Whole => ("reads", "say one two three", false),
            Self::Stream => ("reads", "say one, two three", true),
            Self::Leaves => ("stops", "say one, two three", true),
        };
        with(ask(model, text), json!({"stream": stream, "max_tokens": SEEN}))
    }

    /// Sends it, and tells the status as soon as it is known. Gives it back when the client is done: none when the connection
    /// was refused or broke.
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
