"""An OpenAI-compatible /v1/embeddings with a real model: server.py PORT. The first request gets a 429, as clients must expect."""
import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from model import Model

NAME = "all-MiniLM-L6-v2"


class Handler(BaseHTTPRequestHandler):
    model, lock, refused = Model(), Lock(), False

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path != "/v1/embeddings":
            return self.error(404, "not found")
        request = json.loads(body)
        if request.get("model") != NAME:
            return self.error(404, f"the model {request.get('model')!r} does not exist")
        with self.lock:
            if not Handler.refused:
                Handler.refused = True
                return self.error(429, "too many requests", {"retry-after": "0"})
            texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
            vectors, tokens = self.model.embed(texts)
        packed = request.get("encoding_format") == "base64"
        code = lambda vector: base64.b64encode(vector.astype("<f4").tobytes()).decode() if packed else vector.tolist()
        data = [{"object": "embedding", "index": index, "embedding": code(vector)} for index, vector in enumerate(vectors)]
        self.answer(200, {"object": "list", "data": data, "model": NAME, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})

    def error(self, status, message, headers={}):
        self.answer(status, {"error": {"message": message, "type": "invalid_request_error", "code": None}}, headers)

    def answer(self, status, value, headers={}):
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"content-type": "application/json", "content-length": str(len(body)), **headers}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
