// Anthropic's Node client, which must not be able to distinguish the providers.
//
// The same tests as for Python: each against one model of each provider, with the same assertions.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import {
  MODELS, PARAMETERS, PLACE, REPORT, SLUICE_KEY, SLUICE_URL, TEXT, TOKENS, WEATHER, collect, place, refused,
} from "./shared.js";

const TOOL = {
  name: "get_weather",
  description: "The weather in a city.",
  input_schema: PARAMETERS,
};

const settings = { baseURL: SLUICE_URL.replace(/\/v1$/, ""), apiKey: SLUICE_KEY, maxRetries: 0, timeout: 20_000 };
const client = new Anthropic(settings);
const { messages } = client;
const user = (content) => ({ role: "user", content });
const say = (model, text = TEXT) => ({ model, max_tokens: 200, system: "Be brief.", messages: [user(`say ${text}`)] });
const weather = (model) => ({ model, max_tokens: 200, messages: [user(WEATHER)], tools: [TOOL] });

const spoken = (events) => events.map((event) => event.delta?.text ?? "").join("");

function checkAnswer(answer) {
  assert.deepEqual([answer.type, answer.role, answer.stop_reason], ["message", "assistant", "end_turn"]);
  assert.ok(answer.id && answer.model);
  assert.deepEqual(answer.content.map((block) => [block.type, block.text]), [["text", TEXT]]);
  assert.ok(answer.usage.input_tokens > 0);
  assert.equal(answer.usage.output_tokens, TOKENS);
}

async function checkCalls(model, answer) {
  assert.equal(answer.stop_reason, "tool_use");
  const calls = answer.content.filter((block) => block.type === "tool_use");
  assert.deepEqual(calls.map((call) => [call.name, call.input.city]), [["get_weather", "Oslo"], ["get_weather", "Tromsø"]]);
  const results = calls.map((call) => ({
    type: "tool_result",
    tool_use_id: call.id,
    content: `snow in ${call.input.city}`,
  }));
  const asked = weather(model);
  asked.messages.push({ role: "assistant", content: answer.content }, user(results));
  const last = await messages.create(asked);
  assert.equal(last.content[0].text, REPORT);
}

// Awaits an error in Anthropic's format.
async function refusedAsAnthropic(promise, kind, status, type) {
  const error = await refused(promise, kind, status);
  assert.equal(error.error.error.type, type);
  assert.ok(error.requestID && error.error.error.message);
}

for (const model of MODELS) {
  describe(model, () => {
    test("chat", async () => {
      const answer = await messages.create({ ...say(model), temperature: 0.5 });
      checkAnswer(answer);
      assert.ok(answer._request_id);
    });

    test("a key as a bearer token", async () => {
      const bearer = new Anthropic({ ...settings, apiKey: null, authToken: SLUICE_KEY });
      checkAnswer(await bearer.messages.create(say(model)));
    });

    test("as a coding agent asks", async () => {
      const cache_control = { type: "ephemeral" };
      const answer = await client.beta.messages.create({
        model,
        max_tokens: 200,
        betas: ["context-management-2025-06-27"],
        system: [{ type: "text", text: "You are an agent.", cache_control }],
        messages: [user([{ type: "text", text: `say ${TEXT}`, cache_control }])],
        context_management: { edits: [{ type: "clear_tool_uses_20250919" }] },
        metadata: { user_id: "u".repeat(150) },
      });
      assert.equal(answer.content[0].text, TEXT);
    });

    test("stream", async () => {
      const stream = messages.stream(say(model));
      const pieces = [];
      stream.on("text", (piece) => pieces.push(piece));
      checkAnswer(await stream.finalMessage());
      assert.equal(pieces.join(""), TEXT);
      assert.ok(pieces.length > 1, "the text came in one piece");
    });

    test("stream of events", async () => {
      const events = await collect(await messages.create({ ...say(model), stream: true }));
      const types = events.map((event) => event.type).filter((type) => type !== "ping");
      assert.deepEqual(
        types.filter((type, index) => type !== types[index - 1]),
        ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"],
      );
      assert.equal(spoken(events), TEXT);
    });

    test("tools", async () => {
      await checkCalls(model, await messages.create(weather(model)));
      await checkCalls(model, await messages.stream(weather(model)).finalMessage());
    });

    test("structured output", async () => {
      const answer = await messages.parse({
        model,
        max_tokens: 200,
        messages: [user("Name a place.")],
        output_config: { format: zodOutputFormat(place) },
      });
      assert.deepEqual(answer.parsed_output, PLACE);
    });

    test("a count of tokens", async () => {
      const { input_tokens } = await messages.countTokens({ model, messages: [user(TEXT.repeat(20))], tools: [TOOL] });
      assert.ok(input_tokens > 100 && input_tokens < 1000, `${input_tokens}`);
    });

    test("a bad request", async () => {
      const dangling = user([{ type: "tool_result", tool_use_id: "toolu_nobody", content: "snow" }]);
      for (const turns of [[], [user("hello"), dangling]]) {
        const promise = messages.create({ model, max_tokens: 9, messages: turns });
        await refusedAsAnthropic(promise, Anthropic.BadRequestError, 400, "invalid_request_error");
      }
    });

    test("a provider that limits", async () => {
      for (const stream of [false, true]) {
        const promise = messages.create({ ...say(`${model}-limited`), stream });
        await refusedAsAnthropic(promise, Anthropic.RateLimitError, 429, "rate_limit_error");
      }
    });

    test("a stream that breaks is an error", async () => {
      const events = [];
      const read = async () => {
        for await (const event of await messages.create({ ...say(`${model}-broken`), stream: true })) events.push(event);
      };
      await assert.rejects(read, Anthropic.APIError);
      assert.ok(events.every((event) => event.type !== "message_stop"));
      assert.ok(spoken(events) && TEXT.startsWith(spoken(events)));
    });

    test("fallback", async () => {
      for (const stream of [false, true]) {
        const { data, response } = await messages.create({ ...say(`${model}-second`), stream }).withResponse();
        assert.equal(response.headers.get("x-sluice-provider"), model.replace("on-", ""));
        assert.equal(stream ? spoken(await collect(data)) : data.content[0].text, TEXT);
      }
    });
  });
}

test("models", async () => {
  const models = await collect(client.models.list({ limit: 100 }));
  const names = models.map((model) => model.id);
  assert.ok(names.includes("on-openai") && names.includes("on-anthropic"));
  assert.equal((await client.models.retrieve("on-openai")).display_name, "on-openai");
});

test("a wrong key, and an unknown model", async () => {
  const stranger = new Anthropic({ ...settings, apiKey: "sk-nobody" });
  const asked = stranger.messages.create(say("on-openai"));
  await refusedAsAnthropic(asked, Anthropic.AuthenticationError, 401, "authentication_error");
  await refusedAsAnthropic(messages.create(say("no-such-model")), Anthropic.NotFoundError, 404, "not_found_error");
});
