"""OpenAI's Python client on chat completions, which must not be able to distinguish the providers.

Every test runs against one model of each provider, with the same assertions.
"""

import json
import os

import openai
import pytest
from openai.types.chat import ChatCompletion

from shared import CITIES, PARAMETERS, PLACE, REPORT, TEXT, WEATHER, Place

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": PARAMETERS,
    },
}

client = openai.OpenAI(base_url=os.environ["SLUICE_URL"], api_key=os.environ["SLUICE_KEY"], max_retries=0, timeout=20)


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def say(text: str = TEXT) -> list:
    return [{"role": "system", "content": "Be brief."}, user(f"say {text}")]


def check_usage(usage, text: str) -> None:
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens == -(-len(text.encode()) // 4)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_chat(model):
    answer = client.chat.completions.create(model=model, messages=say(), temperature=0.5, max_completion_tokens=200)
    assert isinstance(answer, ChatCompletion)
    assert answer.object == "chat.completion"
    assert answer.id and answer.model and answer.created > 1_500_000_000
    [choice] = answer.choices
    assert choice.index == 0
    assert choice.finish_reason == "stop"
    assert choice.message.role == "assistant"
    assert choice.message.content == TEXT
    assert not choice.message.tool_calls
    check_usage(answer.usage, TEXT)


def test_chat_cut_at_its_length(model):
    answer = client.chat.completions.create(model=model, messages=say("one two three four five six"), max_tokens=2)
    assert answer.choices[0].finish_reason == "length"
    assert "one two three four five six".startswith(answer.choices[0].message.content)


def test_chat_of_several_turns(model):
    messages = [*say("first"), {"role": "assistant", "content": "first"}, user("say second"), user("say third")]
    answer = client.chat.completions.create(model=model, messages=messages)
    assert answer.choices[0].message.content.endswith("third")


@pytest.mark.parametrize("asked", [True, False], ids=["with_usage", "without_usage"])
def test_stream(model, asked):
    options = {"stream_options": {"include_usage": True}} if asked else {}
    chunks = list(client.chat.completions.create(model=model, messages=say(), stream=True, **options))
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1

    usages = [chunk.usage for chunk in chunks if chunk.usage is not None]
    if asked:
        last = chunks.pop()
        assert last.choices == [] and usages == [last.usage]
        check_usage(last.usage, TEXT)
    else:
        assert usages == []

    assert all(len(chunk.choices) == 1 for chunk in chunks)
    choices = [chunk.choices[0] for chunk in chunks]
    assert {choice.index for choice in choices} == {0}
    assert choices[0].delta.role == "assistant"
    assert "".join(choice.delta.content or "" for choice in choices) == TEXT
    assert sum(bool(choice.delta.content) for choice in choices) > 1, "the text came in one piece"
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert choices[-1].finish_reason == "stop"


def check_calls(message) -> None:
    calls = message.tool_calls
    assert [call.type for call in calls] == ["function", "function"]
    assert [call.function.name for call in calls] == ["get_weather", "get_weather"]
    assert [json.loads(call.function.arguments) for call in calls] == [{"city": city} for city in CITIES]
    assert len({call.id for call in calls}) == 2 and all(call.id for call in calls)
    assert message.content in (None, "Let me look that up."), "only Anthropic's models speak before they call"


def answer_calls(model: str, message) -> None:
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"snow in {json.loads(call.function.arguments)['city']}"}
        for call in message.tool_calls
    ]
    messages = [user(WEATHER), message.model_dump(exclude_none=True), *results]
    answer = client.chat.completions.create(model=model, messages=messages, tools=[TOOL])
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content == REPORT


def test_tools(model):
    answer = client.chat.completions.create(model=model, messages=[user(WEATHER)], tools=[TOOL])
    [choice] = answer.choices
    assert choice.finish_reason == "tool_calls"
    check_calls(choice.message)
    answer_calls(model, choice.message)


def test_one_tool_at_a_time(model):
    asked = {"model": model, "messages": [user(WEATHER)], "tools": [TOOL], "parallel_tool_calls": False}
    # Google has no field for this, so the gateway keeps only the first call.
    assert len(client.chat.completions.create(**asked).choices[0].message.tool_calls) == 1


def test_tool_that_must_or_must_not_be_called(model):
    for choice, called in [("required", True), ("none", False), ({"type": "function", "function": {"name": "get_weather"}}, True)]:
        answer = client.chat.completions.create(model=model, messages=say(), tools=[TOOL], tool_choice=choice)
        assert bool(answer.choices[0].message.tool_calls) == called, choice


def test_tools_streamed(model):
    with client.chat.completions.stream(model=model, messages=[user(WEATHER)], tools=[TOOL]) as stream:
        finished = [event.name for event in stream if event.type == "tool_calls.function.arguments.done"]
        [choice] = stream.get_final_completion().choices
    assert finished == ["get_weather", "get_weather"]
    assert choice.finish_reason == "tool_calls"
    check_calls(choice.message)
    message = choice.message.model_copy(deep=True)
    for call in message.tool_calls:
        call.function.__dict__.pop("parsed_arguments", None)
    message.__dict__.pop("parsed", None)
    answer_calls(model, message)


def test_structured_output_parsed(model):
    answer = client.chat.completions.parse(model=model, messages=[user("Name a place.")], response_format=Place)
    assert answer.choices[0].message.parsed == PLACE


def test_structured_output_by_schema(model):
    schema = {"name": "place", "strict": True, "schema": {**Place.model_json_schema(), "additionalProperties": False}}
    answer = client.chat.completions.create(
        model=model, messages=[user("Name a place.")], response_format={"type": "json_schema", "json_schema": schema}
    )
    assert json.loads(answer.choices[0].message.content) == PLACE.model_dump()


def test_models():
    models = list(client.models.list())
    assert {"on-openai", "on-anthropic"} <= {model.id for model in models}
    assert {model.object for model in models} == {"model"}


def check_error(error: openai.APIStatusError, status: int) -> None:
    assert error.status_code == status
    assert {"message", "type", "param", "code"} <= set(error.body)
    assert isinstance(error.body["message"], str) and error.body["message"]
    assert isinstance(error.body["type"], str) and error.body["type"]
    text = error.response.text
    assert "+status" not in text and os.environ["SIMULATOR_KEY"] not in text


def test_wrong_key():
    stranger = client.with_options(api_key="sk-nobody")
    with pytest.raises(openai.AuthenticationError) as caught:
        stranger.chat.completions.create(model="on-openai", messages=say())
    check_error(caught.value, 401)
    assert caught.value.code
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()


def test_unknown_model():
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such-model", messages=say())
    check_error(caught.value, 404)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    "messages",
    [[], [user("hello"), {"role": "tool", "tool_call_id": "call_nobody_made", "content": "snow"}]],
    ids=["no_messages", "result_of_no_call"],
)
def test_bad_request(model, messages):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=model, messages=messages)
    check_error(caught.value, 400)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_limited(model, stream):
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model=f"{model}-limited", messages=say(), stream=stream)
    check_error(caught.value, 429)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_down(model, stream):
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=f"{model}-down", messages=say(), stream=stream)
    check_error(caught.value, 503)


def test_stream_that_breaks_is_an_error(model):
    stream = client.chat.completions.create(model=f"{model}-broken", messages=say(), stream=True)
    text = ""
    with pytest.raises(openai.APIError):
        for chunk in stream:
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
            assert all(choice.finish_reason is None for choice in chunk.choices)
    assert text and TEXT.startswith(text)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_fallback(model, stream):
    raw = client.chat.completions.with_raw_response.create(model=f"{model}-second", messages=say(), stream=stream)
    assert raw.headers["x-sluice-provider"] == model.removeprefix("on-")
    assert int(raw.headers["x-sluice-attempts"]) >= 2
    answer = raw.parse()
    if stream:
        text = "".join(choice.delta.content or "" for chunk in answer for choice in chunk.choices)
    else:
        text = answer.choices[0].message.content
    assert text == TEXT
