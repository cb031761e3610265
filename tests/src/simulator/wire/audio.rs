//! OpenAI's audio: speech from text, and text from speech, as JSON or plain text.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Asked;
use super::multipart::Form;
use super::openai::{Endpoint, required};
use crate::simulator::call::Call;
use crate::simulator::prompt::{Usage, tokens};
use crate::simulator::reply::{Refusal, Reply};

/// `/v1/audio/speech`.
pub static SPEECH: Endpoint = Endpoint::post("/v1/audio/speech", speak);
/// `/v1/audio/transcriptions`.
pub static TRANSCRIPTIONS: Endpoint =
    Endpoint::post("/v1/audio/transcriptions", |call| transcribe(call, "transcribed"));
/// `/v1/audio/translations`.
pub static TRANSLATIONS: Endpoint = Endpoint::post("/v1/audio/translations", |call| transcribe(call, "translated"));

/// The bytes of sound per token.
const SOUND: usize = 64;

fn speak(call: &Call<'_>) -> Result<Asked, Refusal> {
    let body = call.json()?;
    let model = required(body["model"].as_str(), "model")?;
    let text = required(body["input"].as_str(), "input")?;
    required(body["voice"].as_str(), "voice")?;
    let media_type = match body["response_format"].as_str() {
        None | Some("mp3") => "audio/mpeg",
        Some("wav") => "audio/wav",
        Some("opus") => "audio/ogg",
        Some("pcm") => "audio/pcm",
        Some("aac") => "audio/aac",
        Some("flac") => "audio/flac",
        Some(other) => return Err(Refusal::invalid(format!("Invalid value: '{other}' for 'response_format'."))),
    };
    let sound = Sha256::digest(text).to_vec().repeat(tokens(text.len()) as usize * SOUND / 32);
    let used = Usage { input: tokens(text.len()), ..Usage::default() };
    Ok(Asked::Ready { reply: Reply::of(media_type, sound), model: Some(model.to_owned()), used })
}

fn transcribe(call: &Call<'_>, what: &str) -> Result<Asked, Refusal> {
    let form = Form::read(call)?;
    let file = form.file("file")?;
    let model = form.required("model")?.to_owned();
    let text = format!("{what} {} bytes of {}", file.content.len(), file.filename.as_deref().unwrap_or(""));
    let used =
        Usage { input: file.content.len().div_ceil(SOUND) as u64, output: tokens(text.len()), ..Usage::default() };
    let reply = match form.text("response_format") {
        None | Some("json") => Reply::json(
            200,
            &json!({"text": text, "usage": {
                "type": "tokens", "input_tokens": used.input, "output_tokens": used.output,
                "total_tokens": used.input + used.output,
                "input_token_details": {"text_tokens": 0, "audio_tokens": used.input},
            }}),
        ),
        Some("verbose_json") => Reply::json(
            200,
            &json!({"task": what, "language": "english", "duration": 1.0, "text": text, "segments": []}),
        ),
        Some("text" | "srt" | "vtt") => Reply::of("text/plain; charset=utf-8", text + "\n"),
        Some(other) => return Err(Refusal::invalid(format!("Invalid value: '{other}' for 'response_format'."))),
    };
    Ok(Asked::Ready { reply, model: Some(model), used })
}
