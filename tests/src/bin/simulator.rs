//! The provider simulator as a command; [`USAGE`] describes its options.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use sluice_tests::simulator::Simulator;

const USAGE: &str = "\
usage: simulator [--address IP] [--port P] [--key KEY] [--aws ACCESS_KEY:SECRET_KEY] [--workers N] [--quiet]

It prints its URL, and serves there, each at its provider's own paths:
  OpenAI          /v1/chat/completions, /v1/responses[/{id}], /v1/responses/input_tokens, /v1/completions, /v1/embeddings,
                  /v1/models, /v1/moderations, /v1/images/{generations,edits}, /v1/audio/{speech,transcriptions,translations},
                  /v1/files, /v1/batches
  Anthropic       /v1/messages, /v1/messages/count_tokens, /v1/models
  Azure OpenAI    /openai/deployments/{d}/{chat/completions,completions,embeddings}?api-version=..., /openai/responses,
                  /openai/v1/...
  Gemini          /v1beta/models/{m}:{generateContent,streamGenerateContent,batchEmbedContents}
  Vertex AI       /v1/projects/{p}/locations/{l}/publishers/{google,anthropic}/models/{m}:...
  Amazon Bedrock  /model/{id}/{converse,converse-stream,invoke,invoke-with-response-stream}
  Cohere          /v2/chat, /v2/embed, /v1/rerank
  OpenAI's format with quirks, before /chat/completions:
                  /groq/openai/v1, /mistral/v1, /deepseek, /vllm/v1, /plain/v1
A model's name asks for faults, such as gpt-sim+status=503; a script of them is posted to /control.
It listens on 127.0.0.1, or at --address. Without --key any key will do; with --aws the signatures of Bedrock's requests are checked.";

struct Options {
    address: IpAddr,
    port: u16,
    key: Option<String>,
    aws: Option<(String, String)>,
    workers: usize,
    quiet: bool,
}

fn options(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let mut options =
        Options { address: Ipv4Addr::LOCALHOST.into(), port: 0, key: None, aws: None, workers: 1, quiet: false };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--address" => options.address = words.next()?.parse().ok()?,
            "--port" => options.port = words.next()?.parse().ok()?,
            "--key" => options.key = Some(words.next()?),
            "--aws" => {
                let (access_key, secret_key) =
                    words.next()?.split_once(':').map(|(one, two)| (one.into(), two.into()))?;
                options.aws = Some((access_key, secret_key));
            }
            "--workers" => options.workers = words.next()?.parse().ok().filter(|workers| *workers > 0)?,
            "--quiet" => options.quiet = true,
            _ => return None,
        }
    }
    Some(options)
}

fn run(options: Options) -> io::Result<()> {
    let mut runtime = match options.workers {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    runtime.worker_threads(options.workers).enable_all().build()?.block_on(async {
        let mut builder = Simulator::builder().address(options.address).port(options.port).verbose(!options.quiet);
        if let Some(key) = options.key {
            builder = builder.key(key);
        }
        if let Some((access_key, secret_key)) = options.aws {
            builder = builder.aws(access_key, secret_key);
        }
        let simulator = builder.start().await?;
        println!("{}", simulator.url());
        simulator.run().await;
        Ok(())
    })
}

fn main() -> ExitCode {
    let Some(options) = options(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulator: {error}");
            ExitCode::FAILURE
        }
    }
}
