"""Recorded responses of real providers, as the gateway writes them for clients of each format, parsed by the types of the official SDKs."""

import json
import os
from pathlib import Path

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

TYPES = {
    "openai_chat.whole": TypeAdapter(ChatCompletion),
    "openai_chat.stream": TypeAdapter(ChatCompletionChunk),
    "responses.whole": TypeAdapter(Response),
    "responses.stream": TypeAdapter(ResponseStreamEvent),
    "anthropic.whole": TypeAdapter(Message),
    "anthropic.stream": TypeAdapter(RawMessageStreamEvent),
}
FOLDER = os.environ.get("SLUICE_TRANSLATED")
FILES = sorted(Path(FOLDER).iterdir()) if FOLDER else []


def without_custom_calls(item):
    """The SDK has no type for a streamed call of a custom tool, which OpenAI sends: github.com/openai/openai-python/issues/2530."""
    for choice in item.get("choices") or []:
        delta = choice.get("delta") or {}
        if delta.get("tool_calls"):
            delta["tool_calls"] = [call for call in delta["tool_calls"] if "custom" not in call]
    return item


@pytest.mark.skipif(not FILES, reason="there are no recordings here")
@pytest.mark.parametrize("kind", TYPES)
def test_recorded_answers_have_the_types_of_the_sdk(kind):
    wrong = []
    for path in (path for path in FILES if path.name.endswith(f".{kind}.json")):
        for item in json.loads(path.read_text()):
            # The SDKs raise errors and skip pings before they parse types.
            if item.get("type") in ("error", "ping") or item.get("error"):
                continue
            try:
                TYPES[kind].validate_python(without_custom_calls(item))
            except ValueError as error:
                wrong.append(f"{path.name}: {error}"[:600])
    assert not wrong, f"{len(wrong)} are wrong:\n" + "\n".join(wrong[:5])
