"""OpenAI's Python client on embeddings, legacy completions, models and files."""

import openai
import pytest

from shared import TEXT
from test_openai import check_error, client


@pytest.fixture(params=["embed-openai", "embed-cohere", "embed-gemini"])
def embedder(request: pytest.FixtureRequest) -> str:
    return request.param


# By default the client requests base64 and decodes it.
@pytest.mark.parametrize("encoding", [{}, {"encoding_format": "float"}], ids=["base64", "float"])
def test_embeddings(embedder, encoding):
    answer = client.embeddings.create(model=embedder, input=[TEXT, "Oslo"], **encoding)
    assert (answer.object, [item.index for item in answer.data]) == ("list", [0, 1])
    first, second = [item.embedding for item in answer.data]
    assert first != second and len(first) == len(second) > 1
    assert all(isinstance(number, float) for number in first)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens > 0


def test_embeddings_are_the_same_in_both_encodings(embedder):
    packed, plain = (
        client.embeddings.create(model=embedder, input=TEXT, **encoding).data[0].embedding
        for encoding in ({}, {"encoding_format": "float"})
    )
    assert packed == pytest.approx(plain, rel=1e-6)


def test_embeddings_of_tokens(embedder):
    asked = {"model": embedder, "input": [[1, 2, 3]]}
    if embedder == "embed-openai":
        assert client.embeddings.create(**asked).data
        return
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(**asked)
    check_error(caught.value, 400)
    assert caught.value.param == "input"


def test_a_model_that_cannot_be_asked_this_way():
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="on-anthropic", input=TEXT)
    check_error(caught.value, 400)
    assert caught.value.code == "endpoint_not_available"


def test_legacy_completion(model):
    answer = client.completions.create(model=model, prompt=f"say {TEXT}", max_tokens=200)
    assert answer.object == "text_completion"
    assert [(choice.text, choice.finish_reason) for choice in answer.choices] == [(TEXT, "stop")]
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_legacy_completion_streamed(model):
    chunks = list(client.completions.create(model=model, prompt=f"say {TEXT}", max_tokens=200, stream=True))
    pieces = [choice.text for chunk in chunks for choice in chunk.choices if choice.text]
    assert "".join(pieces) == TEXT and len(pieces) > 1
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]


def test_one_model(model):
    found = client.models.retrieve(model)
    assert (found.id, found.object) == (model, "model")
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("no-such-model")
    check_error(caught.value, 404)


def test_a_file_is_kept():
    kept = client.files.create(file=("notes.txt", TEXT.encode()), purpose="user_data")
    assert kept.id in [file.id for file in client.files.list()]
    assert client.files.content(kept.id).content == TEXT.encode()
    assert client.files.delete(kept.id).deleted
