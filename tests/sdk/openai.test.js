// OpenAI's Node client on chat completions, which must not be able to distinguish the providers.
//
// The same tests as for Python: each against one model of each provider, with the same assertions.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import {
  MODELS, PARAMETERS, PLACE, REPORT, SLUICE_KEY, SLUICE_URL, TEXT, WEATHER, collect, place, refusedAsOpenAi as refused,
} from "./shared.js";

const TOOL = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city.",
    parameters: PARAMETERS,
  },
};

const settings = { baseURL: SLUICE_URL, apiKey: SLUICE_KEY, maxRetries: 0, timeout: 20_000 };
const client = new OpenAI(settings);
const chat = client.chat.completions;
const user = (content) => ({ role: "user", content });
const say = (text = TEXT) => [{ role: "system", content: "Be brief." }, user(`say ${text}`)];

function checkUsage(usage, text) {
  assert.ok(usage.prompt_tokens > 0);
  assert.equal(usage.completion_tokens, Math.ceil(Buffer.byteLength(text) / 4));
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
}

function checkCalls(message) {
  const calls = message.tool_calls;
  assert.deepEqual(calls.map((call) => [call.type, call.function.name]), Array(2).fill(["function", "get_weather"]));
  assert.deepEqual(calls.map((call) => JSON.parse(call.function.arguments)), [{ city: "Oslo" }, { city: "Tromsø" }]);
  assert.equal(new Set(calls.map((call) => call.id)).size, 2);
  // Only Anthropic's models write text before they call.
  assert.ok([null, "Let me look that up."].includes(message.content), message.content);
}

async function answerCalls(model, message) {
  const results = message.tool_calls.map((call) => ({
    role: "tool",
    tool_call_id: call.id,
    content: `snow in ${JSON.parse(call.function.arguments).city}`,
  }));
  const answer = await chat.create({ model, messages: [user(WEATHER), message, ...results], tools: [TOOL] });
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.equal(answer.choices[0].message.content, REPORT);
}

for (const model of MODELS) {
  describe(model, () => {
    test("chat", async () => {
      const answer = await chat.create({ model, messages: say(), temperature: 0.5, max_completion_tokens: 200 });
      assert.equal(answer.object, "chat.completion");
      assert.ok(answer.id && answer.model && answer.created > 1_500_000_000);
      assert.equal(answer.choices.length, 1);
      const [{ index, finish_reason, message }] = answer.choices;
      assert.deepEqual([index, finish_reason, message.role, message.content], [0, "stop", "assistant", TEXT]);
      assert.ok(!message.tool_calls?.length);
      checkUsage(answer.usage, TEXT);
    });

    for (const asked of [true, false]) {
      test(`stream ${asked ? "with" : "without"} usage`, async () => {
        const options = asked ? { stream_options: { include_usage: true } } : {};
        const chunks = await collect(await chat.create({ model, messages: say(), stream: true, ...options }));
        assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
        const usages = chunks.map((chunk) => chunk.usage).filter(Boolean);
        if (asked) {
          const last = chunks.pop();
          assert.deepEqual(last.choices, []);
          assert.deepEqual(usages, [last.usage]);
          checkUsage(last.usage, TEXT);
        } else {
          assert.deepEqual(usages, []);
        }
        assert.ok(chunks.every((chunk) => chunk.object === "chat.completion.chunk" && chunk.choices.length === 1));
        const choices = chunks.map((chunk) => chunk.choices[0]);
        assert.equal(choices[0].delta.role, "assistant");
        assert.equal(choices.map((choice) => choice.delta.content ?? "").join(""), TEXT);
        assert.ok(choices.filter((choice) => choice.delta.content).length > 1, "the text came in one piece");
        assert.deepEqual(choices.map((choice) => choice.finish_reason).filter(Boolean), ["stop"]);
        assert.equal(choices.at(-1).finish_reason, "stop");
      });
    }

    test("tools", async () => {
      const answer = await chat.create({ model, messages: [user(WEATHER)], tools: [TOOL] });
      assert.equal(answer.choices[0].finish_reason, "tool_calls");
      checkCalls(answer.choices[0].message);
      await answerCalls(model, answer.choices[0].message);
    });

    test("tools streamed", async () => {
      const stream = chat.stream({ model, messages: [user(WEATHER)], tools: [TOOL] });
      const [{ finish_reason, message }] = (await stream.finalChatCompletion()).choices;
      assert.equal(finish_reason, "tool_calls");
      checkCalls(message);
      const { role, content } = message;
      const tool_calls = message.tool_calls.map(({ id, type, function: { name, arguments: text } }) => ({
        id, type, function: { name, arguments: text },
      }));
      await answerCalls(model, { role, content, tool_calls });
    });

    test("structured output", async () => {
      const response_format = zodResponseFormat(place, "place");
      const messages = [user("Name a place.")];
      const parsed = await chat.parse({ model, messages, response_format });
      assert.deepEqual(parsed.choices[0].message.parsed, PLACE);
      const plain = await chat.create({ model, messages, response_format });
      assert.deepEqual(JSON.parse(plain.choices[0].message.content), PLACE);
    });

    test("a bad request", async () => {
      const dangling = [user("hello"), { role: "tool", tool_call_id: "call_nobody_made", content: "snow" }];
      for (const messages of [[], dangling]) {
        await refused(chat.create({ model, messages }), OpenAI.BadRequestError, 400);
      }
    });

    test("a provider that limits, or is down", async () => {
      for (const stream of [false, true]) {
        const messages = say();
        await refused(chat.create({ model: `${model}-limited`, messages, stream }), OpenAI.RateLimitError, 429);
        await refused(chat.create({ model: `${model}-down`, messages, stream }), OpenAI.InternalServerError, 503);
      }
    });

    test("a stream that breaks is an error", async () => {
      const stream = await chat.create({ model: `${model}-broken`, messages: say(), stream: true });
      let text = "";
      const read = async () => {
        for await (const { choices } of stream) {
          text += choices.map((choice) => choice.delta.content ?? "").join("");
          assert.ok(choices.every((choice) => !choice.finish_reason));
        }
      };
      await assert.rejects(read, OpenAI.APIError);
      assert.ok(text && TEXT.startsWith(text));
    });

    test("fallback", async () => {
      for (const stream of [false, true]) {
        const request = chat.create({ model: `${model}-second`, messages: say(), stream });
        const { data, response } = await request.withResponse();
        assert.equal(response.headers.get("x-sluice-provider"), model.replace("on-", ""));
        assert.ok(Number(response.headers.get("x-sluice-attempts")) >= 2);
        const choices = stream ? (await collect(data)).flatMap((chunk) => chunk.choices) : data.choices;
        assert.equal(choices.map((choice) => (choice.delta ?? choice.message).content ?? "").join(""), TEXT);
      }
    });
  });
}

test("models", async () => {
  const models = await collect(client.models.list());
  const names = models.map((model) => model.id);
  assert.ok(names.includes("on-openai") && names.includes("on-anthropic"));
  assert.ok(models.every((model) => model.object === "model"));
});

test("a wrong key", async () => {
  const stranger = new OpenAI({ ...settings, apiKey: "sk-nobody" });
  const error = await refused(
    stranger.chat.completions.create({ model: "on-openai", messages: say() }), OpenAI.AuthenticationError, 401);
  assert.ok(error.code);
  await assert.rejects(collect(stranger.models.list()), OpenAI.AuthenticationError);
});

test("an unknown model", async () => {
  const promise = chat.create({ model: "no-such-model", messages: say() });
  assert.equal((await refused(promise, OpenAI.NotFoundError, 404)).code, "model_not_found");
});
