"""A mixed load: in each round every metric of the gateway changes, the rare ones too."""

import json
import os
import socket
import threading
import urllib.error
import urllib.request

GATEWAY = os.environ["SLUICE_URL"]
SECRET = "sk-sluice-observability-{}".format


def post(key: str, path: str, body: dict, **headers: str) -> int:
    """Sends a request, reads the response, and returns its status."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"} | headers
    request = urllib.request.Request(GATEWAY + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            response.read()
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def chat(holder: str, model: str, text: str = "Hello", *, stream: bool = False, **headers: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream, "max_tokens": 20}
    return post(SECRET(holder), "/v1/chat/completions", body, **headers)


def leave() -> None:
    """Begins a stream, reads its first bytes, and closes the connection."""
    body = json.dumps({"model": "endless", "stream": True, "messages": [{"role": "user", "content": "Hello"}]})
    host, port = GATEWAY.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {SECRET('alice')}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall((head + body).encode())
        connection.recv(1024)


def round_of_requests(number: int) -> None:
    for holder in ("alice", "bob", "nightly"):
        chat(holder, "chat")
        chat(holder, "chat", stream=True)
        for _ in range(3):
            chat(holder, "split", stream=True)
    # Until too little is left of the budget for another request.
    for _ in range(6):
        chat("carol", "chat")
    chat("alice", "flaky", stream=True)
    chat("alice", "tiers", "say Project Titan")
    chat("alice", "broken")
    for text in ("The same text", f"Another text {number}"):
        chat("alice", "cached", text)
    chat("alice", "cached", **{"cache-control": "no-store"})
    chat("alice", "no-such-model")
    chat("alice", "chat", "Write to ada@example.com")
    chat("bob", "chat", "Project Titan")
    chat("alice", "chat", "My key is sk-proj-abcdefghijklmnopqrstuvwxyz012345678901234567890123")
    for text in ("Hello", "Tell me about violence"):
        chat("alice", "judged", text)
    chat("alice", "filtered")
    chat("nobody", "chat")
    chat("slow", "chat")
    post(SECRET("alice"), "/v1/embeddings", {"model": "embedding", "input": "Hello"})
    post(SECRET("alice"), "/v1/messages", {"model": "chat", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]})
    leave()


class Load:
    """Rounds of requests, one after the other, until it is stopped."""

    def __init__(self) -> None:
        self.rounds = 0
        self.error: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                round_of_requests(self.rounds)
                self.rounds += 1
        except Exception as error:
            self.error = error

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
