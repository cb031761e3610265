"""The configurations of the measured servers: bare Envoy, Envoy with an empty filter in both places, and the gateway."""

import hashlib

from rows import IDLE_MODEL, PACED_MODEL, SECRET

# `limited` is `sluice` with limits and budgets in Envoy's memory that no request exceeds.
LIMITS = {"requests_per_minute": 10**9, "tokens_per_minute": 10**9, "tokens_per_day": 10**12, "concurrent_requests": 10**4}
BUDGET = {"daily": 10**6, "monthly": 10**7}
# `guarded` checks prompts and answers without findings.
GUARDS = {
    "secrets": {
        "detect": ["api_key", "aws_access_key", "private_key", "jwt"],
        "patterns": {"badge": "EMP-[0-9]{6}"}, "words": ["Project Titan"], "action": "block",
    },
    "pii": {"detect": ["email", "phone", "credit_card", "iban", "us_ssn", "ip_address"], "on": ["prompts"], "action": "mask"},
    "leaks": {"detect": ["email", "phone", "credit_card", "iban", "us_ssn"], "on": ["answers"], "action": "log"},
}
# `everything` has both. All of them have metrics and the access log.
# `shared` looks responses up in Redis; its own memory has room for few.
GATEWAYS = ["sluice", "limited", "guarded", "everything", "shared"]


def gateway(name, port, simulator, redis=None):
    """A gateway file; JSON is YAML."""
    key = {"env": "BENCH_PROVIDER_KEY"}
    models = {"cached": {"targets": [{"provider": "openai", "model": "bench"}], "cache": {"ttl": "24h"}}}
    for prefix, model in (("", "bench"), ("paced_", PACED_MODEL), ("idle_", IDLE_MODEL)):
        for suffix, provider in (("same", "openai"), ("translated", "anthropic")):
            models[prefix + suffix] = {"targets": [{"provider": provider, "model": model}]}
    url = f"http://127.0.0.1:{simulator}/v1"
    file = {
        "listen": f"127.0.0.1:{port}",
        "providers": {kind: {"kind": kind, "url": url, "key": key} for kind in ("openai", "anthropic")},
        "models": models,
        "teams": {"bench": {}},
        "keys": [{"id": "bench", "team": "bench", "sha256": hashlib.sha256(SECRET.encode()).hexdigest()}],
    }
    if name in ("limited", "everything"):
        file["prices"] = {"unpriced": {"input": 1, "output": 1}}
        file["keys"][0]["limits"] = LIMITS
        file["teams"]["bench"]["budget"] = BUDGET
    if name in ("guarded", "everything"):
        file["guards"] = GUARDS
    if name == "shared":
        file["redis"] = {"url": f"http://127.0.0.1:{redis}"}
        file["cache"] = {"memory": "1MiB", "shared": True, "shared_timeout": "1s"}
    return file


NOWHERE, SOMEWHERE = "ClusterAction, cluster: none }", "ClusterAction, cluster: openai }"


def undressed(bootstrap):
    """The bootstrap of a gateway with an empty filter, which chooses no target: the default route is the only provider."""
    if bootstrap.count(NOWHERE) != 1:
        raise SystemExit(f"bench: `sluice render` writes no `{NOWHERE}` any more: dressed_floor has no target")
    return bootstrap.replace(NOWHERE, SOMEWHERE)


def proxy(port, upstream, wasm, direct):
    """Envoy's configuration for a plain route, with the filter in both places if given; or for a direct response."""
    api = "type.googleapis.com/envoy.extensions"

    def address(number):
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    def filters(last, kind):
        chain = [{"name": last, "typed_config": {"@type": f"{api}.filters.http.{kind}"}}]
        if wasm:
            vm = {"vm_id": "floor", "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": str(wasm.resolve())}}}
            config = {"name": "floor", "root_id": "floor", "vm_config": vm}
            chain.insert(0, {"name": "floor", "typed_config": {"@type": f"{api}.filters.http.wasm.v3.Wasm", "config": config}})
        return chain

    action, chain = {"route": {"cluster": "upstream"}}, filters("router", "router.v3.Router")
    if direct:
        action = {"direct_response": {"status": 200, "body": {"inline_string": "x" * 1024}}}
        # Without buffering, Envoy answers before the end of the request and closes the connection.
        whole = {"@type": f"{api}.filters.http.buffer.v3.Buffer", "max_request_bytes": 1 << 16}
        chain.insert(0, {"name": "buffer", "typed_config": whole})
    manager = {
        "@type": f"{api}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"virtual_hosts": [{
            "name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **action}],
        }]},
        "http_filters": chain,
    }
    protocol = {
        "@type": f"{api}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {}},
        "http_filters": filters("codec", "upstream_codec.v3.UpstreamCodec"),
    }
    # As in the gateway's bootstrap: the default allows only 1,024 concurrent requests.
    wide = {name: 100_000 for name in ("max_connections", "max_pending_requests", "max_requests")}
    cluster = {
        "name": "upstream", "type": "STATIC",
        "circuit_breakers": {"thresholds": [wide]},
        "load_assignment": {
            "cluster_name": "upstream", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream)}}]}],
        },
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol},
    }
    listener = {
        "address": address(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}
