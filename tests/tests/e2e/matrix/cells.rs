//! The outcome of a cell: a client of one format uses one feature of a provider and checks the response in its own format.

use serde_json::{Value, json};
use sluice_tests::client::Answer;
use sluice_tests::gateway::{Gateway, KEY};
use sluice_tests::simulator::{Recorded, Simulator};

use super::client::{Ask, Feature, Format, Said};
use super::ledger::{Entry, Ledger};
use super::providers::{OPENAI, Provider, SIGNATURES, Thoughts};

/// A cell's outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It works.
    Yes,
    /// It works, but the provider returns no thoughts.
    Counted,
    /// A 400 names the field.
    Refused(String),
    /// The client's format has no such field; the provider has the same format and got it unchanged.
    Passed(&'static str),
    /// `x-sluice-dropped` names the field.
    Dropped(String),
}

/// The inputs of a cell.
pub struct Cell<'a> {
    pub gateway: &'a Gateway,
    pub simulator: &'a Simulator,
    pub ledger: &'a Ledger,
    pub format: &'static dyn Format,
    pub provider: &'a Provider,
    pub feature: Feature,
    /// A text that only its requests contain.
    pub tag: String,
}

/// The results of the two calls.
const RESULTS: [&str; 2] = ["3", "cold"];

impl Cell<'_> {
    /// The cell's outcome, or an error message.
    pub async fn outcome(&self) -> Result<Outcome, String> {
        let (whole, stream) = match self.feature {
            Feature::Chat => (self.one(false).await?, None),
            Feature::Stream => (self.one(true).await?, None),
            _ => (self.one(false).await?, Some(self.one(true).await.map_err(|why| format!("streamed: {why}"))?)),
        };
        match stream {
            Some(stream) if stream != whole => Err(format!("{whole:?} in one piece, {stream:?} streamed")),
            _ => Ok(whole),
        }
    }

    async fn one(&self, stream: bool) -> Result<Outcome, String> {
        let tag = format!("[{}{}]", self.tag, if stream { "s" } else { "w" });
        if self.feature == Feature::Error {
            return self.errors(stream, &tag).await;
        }
        let asking = matches!(self.feature, Feature::Tools | Feature::Thinking);
        let ask = Ask {
            model: self.provider.id() + if self.feature == Feature::Usage { ":cached" } else { "" },
            text: if asking { format!("the weather in both {tag}?") } else { format!("hello {tag}") },
            stream,
            tools: asking,
            image: self.feature == Feature::Image,
            schema: self.feature == Feature::Structured,
            thinking: self.feature == Feature::Thinking,
            before: None,
        };
        let answer = self.post(&ask).await;
        if answer.status == 400 {
            return self.refused(&answer);
        }
        let said = self.read(&answer, &ask, 0)?;
        let dropped = answer.header("x-sluice-dropped").unwrap_or_default();
        if let Some(field) =
            self.format.fields(self.feature).iter().find(|field| dropped.split(", ").any(|one| one == **field))
        {
            return Ok(Outcome::Dropped((*field).to_owned()));
        }
        if let Some(field) = self.passed(&ask) {
            return Ok(Outcome::Passed(field));
        }
        if asking { self.calls(&ask, said).await } else { self.says(&said, &tag) }
    }

    async fn post(&self, ask: &Ask) -> Answer {
        let client = self.gateway.anonymous();
        let client = if self.format.path() == "/v1/messages" { client.anthropic(KEY) } else { client.bearer(KEY) };
        client.post(self.format.path(), &self.format.body(ask)).await
    }

    /// Reads a 200 in the client's format. The ledger compares its usage later.
    fn read(&self, answer: &Answer, ask: &Ask, round: usize) -> Result<Said, String> {
        if answer.status != 200 {
            return Err(format!("{} {}", answer.status, answer.text()));
        }
        let said = Said::read(self.format, answer, ask.stream)?;
        let Some(told) = said.usage else { return Err(format!("no usage: {}", answer.text())) };
        let tag = tag(&ask.text).to_owned();
        let id = answer.header("x-request-id").unwrap_or_default().to_owned();
        self.ledger.add(Entry { tag, round, id, told });
        Ok(said)
    }

    fn refused(&self, answer: &Answer) -> Result<Outcome, String> {
        let problem = self.format.error(&answer.json()).ok_or_else(|| format!("a 400: {}", answer.text()))?;
        let named = |field: &&&str| {
            problem.param.as_deref().is_some_and(|param| param == **field || param.starts_with(&format!("{field}.")))
                || problem.message.contains(**field)
        };
        let field = self.format.fields(self.feature).iter().find(named);
        let field = field.ok_or_else(|| format!("a 400 that names no field of this: {}", answer.text()))?;
        Ok(Outcome::Refused((*field).to_owned()))
    }

    fn says(&self, said: &Said, tag: &str) -> Result<Outcome, String> {
        let right = match self.feature {
            Feature::Image => said.text == format!("You said: “hello {tag}”, and showed image/png of 8 bytes."),
            Feature::Structured => serde_json::from_str::<Value>(&said.text).ok() == Some(json!({"city": "Oslo"})),
            _ => said.text == format!("You said: “hello {tag}”. Grüße — 你好 🙂"),
        };
        if right && said.to_call == Some(false) && said.calls.is_empty() {
            return Ok(Outcome::Yes);
        }
        Err(format!("{said:?}"))
    }

    /// Checks two calls at once, and sends their results back with the turn that made them.
    async fn calls(&self, ask: &Ask, said: Said) -> Result<Outcome, String> {
        let made: Vec<(&str, &Value)> = said.calls.iter().map(|(_, name, given)| (name.as_str(), given)).collect();
        let (oslo, tromsø) = (json!({"city": "Oslo"}), json!({"city": "Tromsø"}));
        let ids: Vec<&str> = said.calls.iter().map(|(id, _, _)| id.as_str()).collect();
        if made != [("weather", &oslo), ("weather", &tromsø)] || said.to_call != Some(true) || ids[0] == ids[1] {
            return Err(format!("{said:?}"));
        }
        // OpenAI's chat writes no text with its calls.
        if !["", "Let me look that up."].contains(&said.text.as_str()) {
            return Err(format!("besides its calls it says {:?}", said.text));
        }
        let results = said.calls.iter().map(|(id, _, _)| id.clone()).zip(RESULTS).collect();
        let again = Ask { before: Some((said.turn.clone(), results)), ..ask.clone() };
        let answer = self.post(&again).await;
        let second = self.read(&answer, &again, 1).map_err(|why| format!("{why}\nafter {}", said.turn))?;
        if second.text != "The tool says: “3” and “cold”." || second.to_call != Some(false) {
            return Err(format!("after the results: {second:?}"));
        }
        if ask.thinking { self.thoughts(ask, &said) } else { Ok(Outcome::Yes) }
    }

    /// Checks the thoughts. The provider must get back its own signature and any signature that the client saw.
    fn thoughts(&self, ask: &Ask, said: &Said) -> Result<Outcome, String> {
        let told = said.thinking.contains("Let me think — 考えます.");
        let counted = said.usage.and_then(|usage| usage.reasoning).unwrap_or(1) > 0;
        let wanted =
            |signature: &&str| self.provider.thoughts.signed_by(signature) || said.turn.to_string().contains(signature);
        let sent = self.latest(ask).map(|request| request.to_string()).unwrap_or_default();
        if let Some(signature) = SIGNATURES.iter().find(|signature| wanted(signature) && !sent.contains(*signature)) {
            return Err(format!("{signature} did not come back with {}", said.turn));
        }
        match self.provider.thoughts {
            _ if told => Ok(Outcome::Yes),
            Thoughts::Counted if counted && said.thinking.is_empty() => Ok(Outcome::Counted),
            // OpenAI's thoughts have no summary here: it costs tokens, and only a client's request enables it.
            Thoughts::Signed(OPENAI) if counted && said.thinking.is_empty() => Ok(Outcome::Counted),
            _ => Err(format!("{said:?}")),
        }
    }

    /// The latest request with this text, as the provider got it.
    fn latest(&self, ask: &Ask) -> Option<Value> {
        let tag = tag(&ask.text);
        let requests = self.simulator.requests();
        let mine = |body: &[u8]| String::from_utf8_lossy(body).contains(tag);
        requests.iter().rev().find(|request| mine(&request.body)).map(Recorded::json)
    }

    /// The field that the client's format lacks, if the provider has the same format and got it unchanged.
    fn passed(&self, ask: &Ask) -> Option<&'static str> {
        let field = self.format.fields(self.feature).first().filter(|_| !self.format.has(self.feature))?;
        self.latest(ask)?.get(*field).map(|_| *field)
    }

    /// Checks a rate limit with `retry-after`, and an invalid request.
    async fn errors(&self, stream: bool, tag: &str) -> Result<Outcome, String> {
        let anthropic = self.format.path() == "/v1/messages";
        let limited = if anthropic { "rate_limit_error" } else { "rate_limit_exceeded" };
        for (ending, status, kind) in [(":limited", 429, limited), (":wrong", 400, "invalid_request_error")] {
            let model = self.provider.id() + ending;
            let ask = Ask { model, text: format!("hello {tag}"), stream, ..Ask::default() };
            let answer = self.post(&ask).await;
            let problem = self.format.error(&answer.json());
            let wait = answer.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
            let waits = wait.is_some_and(|wait| (100..=120).contains(&wait));
            // Azure's code is the status, and Mistral's is its own number.
            let known = |told: &str| told == kind || told == "3000" || (status == 429 && told == "429");
            let right = answer.status == status && problem.as_ref().is_some_and(|problem| known(&problem.kind));
            if !right || waits != (status == 429) || answer.header("content-type") != Some("application/json") {
                return Err(format!("{} {:?}: {}", answer.status, answer.headers, answer.text()));
            }
        }
        Ok(Outcome::Yes)
    }
}

/// The text between the brackets of a request.
fn tag(text: &str) -> &str {
    text.split(['[', ']']).nth(1).unwrap_or_default()
}
