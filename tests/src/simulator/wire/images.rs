//! OpenAI's images: generations and edits.

use serde_json::json;

use super::Asked;
use super::multipart::Form;
use super::openai::{Endpoint, required};
use crate::simulator::call::Call;
use crate::simulator::prompt::{Usage, tokens};
use crate::simulator::reply::{Refusal, Reply};

/// `/v1/images/generations`.
pub static GENERATIONS: Endpoint = Endpoint::post("/v1/images/generations", generate);
/// `/v1/images/edits`.
pub static EDITS: Endpoint = Endpoint::post("/v1/images/edits", edit);

/// The smallest PNG: one pixel.
const IMAGE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=";
/// The output tokens of an image.
const OUTPUT: u64 = 272;

fn generate(call: &Call<'_>) -> Result<Asked, Refusal> {
    let body = call.json()?;
    let prompt = required(body["prompt"].as_str(), "prompt")?;
    let count = body["n"].as_u64().unwrap_or(1);
    images(body["model"].as_str().unwrap_or("gpt-image-sim"), prompt, 0, count)
}

fn edit(call: &Call<'_>) -> Result<Asked, Refusal> {
    let form = Form::read(call)?;
    let image = form.file("image").or_else(|_| form.file("image[]"))?;
    let count = form.text("n").and_then(|count| count.parse().ok()).unwrap_or(1);
    images(form.text("model").unwrap_or("gpt-image-sim"), form.required("prompt")?, tokens(image.content.len()), count)
}

fn images(model: &str, prompt: &str, image: u64, count: u64) -> Result<Asked, Refusal> {
    if !(1..=10).contains(&count) {
        return Err(Refusal::invalid("Invalid 'n': expected a value between 1 and 10."));
    }
    let text = tokens(prompt.len());
    let used = Usage { input: text + image, output: OUTPUT * count, ..Usage::default() };
    let data = (0..count).map(|_| json!({"b64_json": IMAGE})).collect::<Vec<_>>();
    let reply = json!({
        "created": 1_780_000_000,
        "data": data,
        "usage": {
            "input_tokens": used.input, "output_tokens": used.output, "total_tokens": used.input + used.output,
            "input_tokens_details": {"text_tokens": text, "image_tokens": image},
        },
    });
    Ok(Asked::Ready { reply: Reply::json(200, &reply), model: Some(model.to_owned()), used })
}
