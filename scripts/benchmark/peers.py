"""Other gateways under the same load. Each runs with its defaults and the simulator as its OpenAI provider; `scripts/setup peer-NAME`
installs it into the cache.

All of them accept and send OpenAI's chat completions, so they are compared with `same_dialect` and `stream_same_dialect`. Their own
rate limits are off. The ports of ferrogw and portkey are open to other machines while they run: these gateways have no option
for the listen address."""

import json
import os
from pathlib import Path

from processes import reserve
from rows import SECRET, Row

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice"


def smg(port, simulator, _):
    """Shepherd Model Gateway, in Rust, from PyPI. It does not check keys."""
    command = [CACHE / "peer-smg/bin/smg", "launch", "--backend", "openai", "--worker-urls", f"http://127.0.0.1:{simulator}"]
    command += ["--host", "127.0.0.1", "--port", port, "--prometheus-host", "127.0.0.1", "--prometheus-port", reserve()]
    return command, {}


def ferrogw(port, simulator, folder):
    """Ferro Labs' gateway, in Go, from PyPI. It rejects unknown models except those of an Ollama provider, which speaks OpenAI's
    format."""
    config = folder / "config.yaml"
    config.write_text(json.dumps({"strategy": {"mode": "single"}, "targets": [{"virtual_key": "ollama"}]}))
    return [CACHE / "peer-ferrogw/bin/ferrogw", "serve"], {
        "GATEWAY_CONFIG": config, "PORT": port, "MASTER_KEY": SECRET, "ALLOW_UNAUTHENTICATED_PROXY": "true", "RATE_LIMIT_RPS": 0,
        "OLLAMA_HOST": f"http://127.0.0.1:{simulator}", "OLLAMA_MODELS": "bench", "FERRO_MODEL_CATALOG_URL": "http://127.0.0.1:9/",
    }


def litellm(port, simulator, folder):
    """LiteLLM's proxy, in Python, from PyPI, with one worker. It treats a hundred equal chunks in a stream as a model failure."""
    target = {"model": "openai/bench", "api_base": f"http://127.0.0.1:{simulator}/v1", "api_key": "sk-bench"}
    config = folder / "config.yaml"
    config.write_text(json.dumps({
        "model_list": [{"model_name": "bench", "litellm_params": target}], "general_settings": {"master_key": SECRET},
    }))
    command = [CACHE / "peer-litellm/bin/litellm", "--config", config, "--host", "127.0.0.1", "--port", port, "--num_workers", 1]
    off = {"REPEATED_STREAMING_CHUNK_LIMIT": 10**9}
    return command, off | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "DO_NOT_TRACK": 1}


def portkey(port, _, __):
    """Portkey's gateway, in JavaScript, from npm. Request headers select the provider; it does not check keys."""
    start = CACHE / "peer-portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    return ["node", start, "--headless", f"--port={port}"], {"NODE_ENV": "production"}


PEERS = {"smg": smg, "ferrogw": ferrogw, "litellm": litellm, "portkey": portkey}


def command(name, port, simulator, folder):
    """The command line and the environment of a gateway."""
    folder.mkdir()
    words, environment = PEERS[name](port, simulator, folder)
    return words, {variable: str(value) for variable, value in environment.items()}


def headers(name, simulator):
    """Extra headers for requests to this gateway."""
    if name != "portkey":
        return []
    return ["x-portkey-provider: openai", f"x-portkey-custom-host: http://127.0.0.1:{simulator}/v1"]


# These answer streams with 500: on Node 20, Portkey 1.15.2 appends to immutable headers.
NO_STREAMS = {"portkey"}


def rows(name):
    whole = [Row(name, name, "bench", ceiling=True)]
    return whole if name in NO_STREAMS else whole + [Row(f"stream_{name}", name, "bench", base="bare_stream", stream=True)]
