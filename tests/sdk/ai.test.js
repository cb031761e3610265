// Vercel's AI SDK with its OpenAI provider, against a provider of each format.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import {
  MODELS, PLACE, REPORT, SLUICE_KEY, SLUICE_URL, TEXT, TOKENS, WEATHER, place,
} from "./shared.js";

const openai = createOpenAI({ baseURL: SLUICE_URL, apiKey: SLUICE_KEY });

// Each endpoint of the SDK's provider, by the function that creates its models; Responses is the default.
const endpoints = { responses: openai, chat: openai.chat };

// By default the SDK refers to objects stored at OpenAI, which other providers do not have.
const providerOptions = { openai: { store: false } };
const settings = { maxRetries: 0, abortSignal: AbortSignal.timeout(60_000), providerOptions };

for (const [endpoint, make] of Object.entries(endpoints)) {
  for (const name of MODELS) {
    describe(`${endpoint} ${name}`, () => {
      const model = make(name);

      test("chat", async () => {
        const answer = await generateText({ ...settings, model, system: "Be brief.", prompt: `say ${TEXT}` });
        assert.deepEqual([answer.text, answer.finishReason], [TEXT, "stop"]);
        assert.equal(answer.usage.outputTokens, TOKENS);
      });

      test("stream", async () => {
        const pieces = [];
        for await (const piece of streamText({ ...settings, model, prompt: `say ${TEXT}` }).textStream) pieces.push(piece);
        assert.equal(pieces.join(""), TEXT);
        assert.ok(pieces.length > 1, "the text came in one piece");
      });

      test("tools", async () => {
        const get_weather = tool({
          description: "The weather in a city.",
          inputSchema: z.object({ city: z.string() }),
          execute: ({ city }) => `snow in ${city}`,
        });
        const answer = await generateText({ ...settings, model, prompt: WEATHER, tools: { get_weather }, stopWhen: stepCountIs(3) });
        assert.equal(answer.text, REPORT);
      });

      test("structured output", async () => {
        const answer = await generateText({ ...settings, model, prompt: "Name a place.", output: Output.object({ schema: place }) });
        assert.deepEqual(answer.output, PLACE);
      });
    });
  }
}
