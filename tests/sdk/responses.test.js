// OpenAI's Node client on the Responses API and on embeddings, against one model of each provider.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import {
  MODELS, PARAMETERS, PLACE, REPORT, SLUICE_KEY, SLUICE_URL, TEXT, TOKENS, WEATHER, collect, place, refusedAsOpenAi,
} from "./shared.js";

const client = new OpenAI({ baseURL: SLUICE_URL, apiKey: SLUICE_KEY, maxRetries: 0, timeout: 20_000 });
const { responses } = client;
const TOOL = {
  type: "function", name: "get_weather", description: "The weather in a city.", parameters: PARAMETERS, strict: true,
};
const say = (model, text = TEXT) => ({ model, instructions: "Be brief.", input: `say ${text}` });

function checkAnswer(answer) {
  assert.deepEqual([answer.object, answer.status, answer.error], ["response", "completed", null]);
  assert.ok(answer.id.startsWith("resp_") && answer.model);
  assert.equal(answer.output_text, TEXT);
  assert.ok(answer.usage.input_tokens > 0);
  assert.equal(answer.usage.output_tokens, TOKENS);
}

async function checkCalls(model, answer) {
  const calls = answer.output.filter((item) => item.type === "function_call");
  assert.deepEqual(calls.map((call) => JSON.parse(call.arguments).city), ["Oslo", "Tromsø"]);
  const results = calls.map((call) => ({
    type: "function_call_output", call_id: call.call_id, output: `snow in ${JSON.parse(call.arguments).city}`,
  }));
  const sent = answer.output.map(({ parsed_arguments, ...item }) => item);
  const input = [{ role: "user", content: WEATHER }, ...sent, ...results];
  assert.equal((await responses.create({ model, input, tools: [TOOL] })).output_text, REPORT);
}

for (const model of MODELS) {
  describe(model, () => {
    test("response", async () => checkAnswer(await responses.create({ ...say(model), temperature: 0.5 })));

    test("stream", async () => {
      const events = await collect(await responses.create({ ...say(model), stream: true }));
      const pieces = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
      assert.equal(pieces.join(""), TEXT);
      assert.ok(pieces.length > 1, "the text came in one piece");
      checkAnswer(await responses.stream(say(model)).finalResponse());
    });

    test("tools", async () => {
      const asked = { model, input: WEATHER, tools: [TOOL] };
      await checkCalls(model, await responses.create(asked));
      await checkCalls(model, await responses.stream(asked).finalResponse());
    });

    test("structured output", async () => {
      const text = { format: zodTextFormat(place, "place") };
      const answer = await responses.parse({ model, input: "Name a place.", text });
      assert.deepEqual(answer.output_parsed, PLACE);
    });

    test("a stream that breaks is an error", async () => {
      const events = [];
      const read = async () => {
        const stream = await responses.create({ ...say(`${model}-broken`), stream: true });
        for await (const event of stream) events.push(event);
        // The client returns a stream's last events unchanged, and does not throw.
        throw events.find((event) => event.type === "error" || event.type === "response.failed");
      };
      await assert.rejects(read);
      assert.ok(events.every((event) => event.type !== "response.completed"));
    });

    test("a provider that limits, or is down", async () => {
      for (const stream of [false, true]) {
        const ask = (end) => responses.create({ ...say(`${model}-${end}`), stream });
        await refusedAsOpenAi(ask("limited"), OpenAI.RateLimitError, 429);
        await refusedAsOpenAi(ask("down"), OpenAI.InternalServerError, 503);
      }
    });

    test("a legacy completion", async () => {
      const answer = await client.completions.create({ model, prompt: `say ${TEXT}`, max_tokens: 200 });
      assert.equal(answer.choices[0].text, TEXT);
    });
  });
}

test("stored state goes to whoever has it, and is refused elsewhere", async () => {
  const first = await responses.create(say("on-openai"));
  const next = (model) => responses.create({ ...say(model, "second"), previous_response_id: first.id });
  assert.equal((await next("on-openai")).output_text, "second");
  for (const model of ["on-anthropic", "on-gemini"]) {
    const error = await refusedAsOpenAi(next(model), OpenAI.BadRequestError, 400);
    assert.deepEqual([error.code, error.param], ["unsupported_parameter", "previous_response_id"]);
  }
});

for (const model of ["embed-openai", "embed-cohere", "embed-gemini"]) {
  test(`embeddings ${model}`, async () => {
    // By default the client requests base64 and decodes it.
    const [packed, plain] = await Promise.all(
      [{}, { encoding_format: "float" }].map((encoding) => client.embeddings.create({ model, input: TEXT, ...encoding })),
    );
    const [first, second] = [packed, plain].map((answer) => Array.from(answer.data[0].embedding));
    assert.ok(first.length > 1 && first.every((number, index) => Math.abs(number - second[index]) < 1e-6));
    assert.ok(plain.usage.total_tokens > 0);
  });
}

test("one model", async () => assert.equal((await client.models.retrieve("on-gemini")).id, "on-gemini"));
