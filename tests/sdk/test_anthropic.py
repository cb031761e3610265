"""Anthropic's Python client, which must not be able to distinguish the providers.

As for OpenAI's client, every test runs against one model of each provider, with the same assertions.
"""

import os

import anthropic
import pytest

from shared import CITIES, PARAMETERS, PLACE, REPORT, TEXT, TOKENS, WEATHER, Place

TOOL = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": PARAMETERS,
}

client = anthropic.Anthropic(
    base_url=os.environ["SLUICE_URL"].removesuffix("/v1"), api_key=os.environ["SLUICE_KEY"], max_retries=0, timeout=20
)


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def say(model: str, text: str = TEXT) -> dict:
    return {"model": model, "max_tokens": 200, "system": "Be brief.", "messages": [user(f"say {text}")]}


def weather(model: str) -> dict:
    return {"model": model, "max_tokens": 200, "messages": [user(WEATHER)], "tools": [TOOL]}


def check_answer(answer) -> None:
    assert (answer.type, answer.role, answer.stop_reason) == ("message", "assistant", "end_turn")
    assert answer.id and answer.model
    assert [block.type for block in answer.content] == ["text"]
    assert answer.content[0].text == TEXT
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens == TOKENS


def test_chat(model):
    answer = client.messages.create(**say(model))
    check_answer(answer)
    assert answer._request_id


def test_key_as_a_bearer_token(model):
    bearer = anthropic.Anthropic(base_url=client.base_url, auth_token=client.api_key, api_key=None, max_retries=0)
    check_answer(bearer.messages.create(**say(model)))


def test_as_a_coding_agent_asks(model):
    cached = {"cache_control": {"type": "ephemeral"}}
    answer = client.beta.messages.create(
        model=model,
        max_tokens=200,
        betas=["context-management-2025-06-27"],
        system=[{"type": "text", "text": "You are an agent.", **cached}],
        messages=[{"role": "user", "content": [{"type": "text", "text": f"say {TEXT}", **cached}]}],
        context_management={"edits": [{"type": "clear_tool_uses_20250919"}]},
        metadata={"user_id": "u" * 150},
    )
    assert answer.content[0].text == TEXT


def test_chat_cut_at_its_length(model):
    answer = client.messages.create(**{**say(model, "one two three four five six"), "max_tokens": 2})
    assert answer.stop_reason == "max_tokens"
    assert "one two three four five six".startswith(answer.content[0].text)


def test_stream(model):
    with client.messages.stream(**say(model)) as stream:
        pieces = list(stream.text_stream)
        answer = stream.get_final_message()
    assert "".join(pieces) == TEXT and len(pieces) > 1, "the text came in one piece"
    check_answer(answer)


def test_stream_of_events(model):
    events = [event.type for event in client.messages.create(**say(model), stream=True) if event.type != "ping"]
    deltas = events.count("content_block_delta")
    expected = ["message_start", "content_block_start", *["content_block_delta"] * deltas, "content_block_stop"]
    assert events == [*expected, "message_delta", "message_stop"]


def check_calls(model: str, answer) -> None:
    assert answer.stop_reason == "tool_use"
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == [("get_weather", {"city": city}) for city in CITIES]
    assert len({call.id for call in calls}) == 2
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": f"snow in {call.input['city']}"} for call in calls
    ]
    asked = weather(model)
    asked["messages"] += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
    last = client.messages.create(**asked)
    assert last.content[0].text == REPORT


def test_tools(model):
    check_calls(model, client.messages.create(**weather(model)))


def test_tools_streamed(model):
    with client.messages.stream(**weather(model)) as stream:
        check_calls(model, stream.get_final_message())


def test_tool_that_must_or_must_not_be_called(model):
    for choice, reason in [("any", "tool_use"), ("none", "end_turn")]:
        answer = client.messages.create(**say(model), tools=[TOOL], tool_choice={"type": choice})
        assert answer.stop_reason == reason


def test_one_tool_at_a_time(model):
    asked = {**weather(model), "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
    # Google has no field for this, so the gateway keeps only the first call.
    answer = client.messages.create(**asked)
    assert [block.type for block in answer.content].count("tool_use") == 1


def test_structured_output(model):
    answer = client.messages.parse(
        model=model, max_tokens=200, messages=[user("Name a place.")], output_format=Place
    )
    assert answer.parsed_output == PLACE


def test_count_tokens(model):
    count = client.messages.count_tokens(model=model, messages=[user(TEXT * 20)], tools=[TOOL])
    assert 100 < count.input_tokens < 1000


def test_models():
    models = {model.id: model for model in client.models.list(limit=100)}
    assert {"on-openai", "on-anthropic"} <= set(models)
    assert {model.type for model in models.values()} == {"model"}
    assert client.models.retrieve("on-openai").display_name == "on-openai"


def check_error(error: anthropic.APIStatusError, status: int, kind: str) -> None:
    assert (error.status_code, error.type) == (status, kind)
    assert error.request_id and error.body["type"] == "error" and error.body["error"]["message"]
    assert "+status" not in error.response.text and os.environ["SIMULATOR_KEY"] not in error.response.text


def test_wrong_key():
    stranger = client.with_options(api_key="sk-nobody")
    with pytest.raises(anthropic.AuthenticationError) as caught:
        stranger.messages.create(**say("on-openai"))
    check_error(caught.value, 401, "authentication_error")
    with pytest.raises(anthropic.AuthenticationError):
        stranger.models.list()


def test_unknown_model():
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.create(**say("no-such-model"))
    check_error(caught.value, 404, "not_found_error")


def test_bad_request(model):
    dangling = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_nobody", "content": "snow"}]}
    for messages in [], [user("hello"), dangling]:
        with pytest.raises(anthropic.BadRequestError) as caught:
            client.messages.create(model=model, max_tokens=9, messages=messages)
        check_error(caught.value, 400, "invalid_request_error")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_limited_or_down(model, stream):
    with pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(**say(f"{model}-limited"), stream=stream)
    check_error(caught.value, 429, "rate_limit_error")
    with pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(**say(f"{model}-down"), stream=stream)
    assert caught.value.status_code >= 500 and caught.value.type in ("overloaded_error", "api_error")


def test_stream_that_breaks_is_an_error(model):
    text = ""
    with pytest.raises(anthropic.APIError):
        for event in client.messages.create(**say(f"{model}-broken"), stream=True):
            assert event.type != "message_stop"
            text += event.delta.text if event.type == "content_block_delta" else ""
    assert text and TEXT.startswith(text)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_fallback(model, stream):
    raw = client.messages.with_raw_response.create(**say(f"{model}-second"), stream=stream)
    assert raw.headers["x-sluice-provider"] == model.removeprefix("on-")
    answer = raw.parse()
    if stream:
        text = "".join(event.delta.text for event in answer if event.type == "content_block_delta")
    else:
        text = answer.content[0].text
    assert text == TEXT
