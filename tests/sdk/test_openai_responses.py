"""OpenAI's Python client on the Responses API, against one model of each provider. Only one provider has that API."""

import json

import openai
import pytest

from shared import CITIES, PARAMETERS, PLACE, REPORT, TEXT, TOKENS, WEATHER, Place
from test_openai import check_error, client

TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": PARAMETERS,
    "strict": True,
}


def say(model: str, text: str = TEXT) -> dict:
    return {"model": model, "instructions": "Be brief.", "input": f"say {text}"}


def check_answer(answer) -> None:
    assert (answer.object, answer.status, answer.error) == ("response", "completed", None)
    assert answer.id.startswith("resp_") and answer.model and answer.created_at > 1_500_000_000
    assert [item.type for item in answer.output] == ["message"]
    assert answer.output_text == TEXT
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens == TOKENS
    assert answer.usage.total_tokens == answer.usage.input_tokens + TOKENS


def test_response(model):
    check_answer(client.responses.create(**say(model), temperature=0.5, max_output_tokens=200))


def test_response_of_several_turns(model):
    turns = [("user", "say first"), ("assistant", "first"), ("user", "say second")]
    answer = client.responses.create(model=model, input=[{"role": role, "content": text} for role, text in turns])
    assert answer.output_text == "second"


def test_response_cut_at_its_length(model):
    answer = client.responses.create(**say(model, TEXT * 2), max_output_tokens=16)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert (TEXT * 2).startswith(answer.output_text)


def test_stream(model):
    with client.responses.stream(**say(model)) as stream:
        events = list(stream)
        check_answer(stream.get_final_response())
    types = [event.type for event in events]
    assert types[:2] == ["response.created", "response.in_progress"] and types[-1] == "response.completed"
    numbers = [event.sequence_number for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(events)))
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(pieces) == TEXT and len(pieces) > 1, "the text came in one piece"


def check_calls(model: str, answer) -> None:
    calls = [item for item in answer.output if item.type == "function_call"]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [("get_weather", {"city": city}) for city in CITIES]
    assert len({call.call_id for call in calls}) == 2
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"snow in {json.loads(call.arguments)['city']}"}
        for call in calls
    ]
    sent = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in answer.output]
    asked = [{"role": "user", "content": WEATHER}, *sent, *results]
    assert client.responses.create(model=model, input=asked, tools=[TOOL]).output_text == REPORT


def test_tools(model):
    check_calls(model, client.responses.create(model=model, input=WEATHER, tools=[TOOL]))


def test_tools_streamed(model):
    with client.responses.stream(model=model, input=WEATHER, tools=[TOOL]) as stream:
        finished = [event.arguments for event in stream if event.type == "response.function_call_arguments.done"]
        check_calls(model, stream.get_final_response())
    assert [json.loads(arguments) for arguments in finished] == [{"city": city} for city in CITIES]


def test_structured_output(model):
    assert client.responses.parse(model=model, input="Name a place.", text_format=Place).output_parsed == PLACE


def test_stored_state_is_passed_to_whoever_has_it():
    first = client.responses.create(**say("on-openai"))
    second = client.responses.create(**say("on-openai", "second"), previous_response_id=first.id)
    assert (second.output_text, second.previous_response_id) == ("second", first.id)
    assert client.responses.retrieve(first.id).output_text == TEXT


@pytest.mark.parametrize("model", ["on-anthropic", "on-gemini"])
def test_stored_state_is_refused_where_there_is_none(model):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**say(model), previous_response_id="resp_1")
    check_error(caught.value, 400)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "previous_response_id")
    assert "previous_response_id" in caught.value.message


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_limited_or_down(model, stream):
    for suffix, kind, status in [("limited", openai.RateLimitError, 429), ("down", openai.InternalServerError, 503)]:
        with pytest.raises(kind) as caught:
            client.responses.create(**say(f"{model}-{suffix}"), stream=stream)
        check_error(caught.value, status)


def test_stream_that_breaks_is_an_error(model):
    text = ""
    with pytest.raises(openai.APIError):
        for event in client.responses.create(**say(f"{model}-broken"), stream=True):
            assert event.type != "response.completed"
            text += event.delta if event.type == "response.output_text.delta" else ""
    assert text and TEXT.startswith(text)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_fallback(model, stream):
    raw = client.responses.with_raw_response.create(**say(f"{model}-second"), stream=stream)
    assert raw.headers["x-sluice-provider"] == model.removeprefix("on-")
    answer = raw.parse()
    if stream:
        answer = [event.response for event in answer if event.type == "response.completed"].pop()
    assert answer.output_text == TEXT
