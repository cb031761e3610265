"""Counts the WebAssembly instructions, host calls and entries of one request. The counts do not depend on how busy the machine is.

The module runs in wasmtime, in a host that implements the Envoy functions that a request needs. The host sends one request at a time
through the gateway role and the provider role of one VM, and calls the simulator. A streamed answer arrives one event at a time.
`scripts/setup count` installs wasmtime."""

import http.client
import json
import re
import struct
import time
from collections import Counter
from dataclasses import dataclass, field

import wasmtime
import yaml

from rows import FLOORS, ROWS

FUEL = 1 << 62
GATEWAY, PROVIDER = 1, 2  # the roles' root contexts
OK, NOT_FOUND, UNIMPLEMENTED = 0, 1, 12
REQUEST, RESPONSE = 0, 2  # header maps
REQUEST_BODY, RESPONSE_BODY, PLUGIN_CONFIGURATION = 0, 1, 7
PAUSE = 1


@dataclass
class Stream:
    """A request and its answer, as visible to both roles."""

    headers: dict = field(default_factory=dict)
    bodies: dict = field(default_factory=lambda: {REQUEST_BODY: b"", RESPONSE_BODY: b""})
    state: dict = field(default_factory=dict)
    replied: bool = False


class Host:
    """The running module and its host calls."""

    def __init__(self, module, plugins):
        config = wasmtime.Config()
        config.consume_fuel = True
        engine = wasmtime.Engine(config)
        self.store = wasmtime.Store(engine)
        self.store.set_fuel(FUEL)
        linker = wasmtime.Linker(engine)
        module = wasmtime.Module(engine, module.read_bytes())
        for wanted in module.imports:
            linker.define_func(wanted.module, wanted.name, wanted.type, self.counted(wanted.name))
        self.exports = linker.instantiate(self.store, module).exports(self.store)
        self.memory = self.exports["memory"]
        self.shared, self.metrics, self.stream, self.steps = {}, {}, Stream(), []
        self.next, self.configuration = 10, b""
        self.enter("_initialize")
        for root, plugin in plugins.items():
            self.configuration = plugin.encode()
            self.enter("proxy_on_context_create", root, 0)
            self.enter("proxy_on_vm_start", root, 0)
            if not self.enter("proxy_on_configure", root, len(self.configuration)):
                raise SystemExit(f"bench: the module refuses its configuration for context {root}")

    def counted(self, name):
        call = getattr(self, name, None)

        def made(*arguments):
            self.step(name)
            return call(*arguments) if call else UNIMPLEMENTED

        return made

    def step(self, name):
        """Records the number of instructions before `name`."""
        left = self.store.get_fuel()
        self.steps.append((self.fuel - left, name))
        self.fuel = left

    def enter(self, name, *arguments):
        """Calls a callback, if the module exports it."""
        call = self.exports.get(name)
        if call is None:
            return None
        self.fuel = self.store.get_fuel()
        self.steps.append((0, f"> {name}"))
        result = call(self.store, *arguments)
        self.step("<")
        return result

    # The module's memory.

    def read(self, at, size):
        return bytes(self.memory.read(self.store, at, at + size))

    def write(self, at, data):
        self.memory.write(self.store, data, at)

    def give(self, data, to, size):
        """Copies data into memory that the module allocates."""
        at = 0
        if data:
            at = self.exports["malloc"](self.store, len(data))
            self.steps.append((0, "> malloc"))
            self.write(at, data)
        self.write(to, struct.pack("<I", at))
        self.write(size, struct.pack("<I", len(data)))
        return OK

    # Host calls.

    def proxy_log(self, level, text, size):
        if level >= 3:
            print(self.read(text, size).decode(errors="replace"))
        return OK

    def proxy_get_log_level(self, level):
        self.write(level, struct.pack("<I", 3))
        return OK

    def proxy_get_current_time_nanoseconds(self, at):
        self.write(at, struct.pack("<Q", time.time_ns()))
        return OK

    def proxy_get_header_map_pairs(self, kind, to, size):
        pairs = self.stream.headers.get(kind, [])
        data = struct.pack("<I", len(pairs)) + b"".join(struct.pack("<II", len(name), len(value)) for name, value in pairs)
        return self.give(data + b"".join(name + b"\0" + value + b"\0" for name, value in pairs), to, size)

    def proxy_set_header_map_pairs(self, kind, at, size):
        self.stream.headers[kind] = pairs(self.read(at, size))
        return OK

    def proxy_get_header_map_value(self, kind, name, name_size, to, size):
        name = self.read(name, name_size)
        for one, value in self.stream.headers.get(kind, []):
            if one == name:
                return self.give(value, to, size)
        return NOT_FOUND

    def proxy_replace_header_map_value(self, kind, name, name_size, value, value_size):
        name = self.read(name, name_size)
        kept = [pair for pair in self.stream.headers[kind] if pair[0] != name]
        self.stream.headers[kind] = [*kept, (name, self.read(value, value_size))]
        return OK

    def proxy_remove_header_map_value(self, kind, name, name_size):
        name = self.read(name, name_size)
        self.stream.headers[kind] = [pair for pair in self.stream.headers[kind] if pair[0] != name]
        return OK

    def proxy_get_buffer_bytes(self, kind, start, length, to, size):
        body = self.configuration if kind == PLUGIN_CONFIGURATION else self.stream.bodies[kind]
        return self.give(body[start : start + length % (1 << 32)], to, size)

    def proxy_set_buffer_bytes(self, kind, start, length, at, size):
        body = self.stream.bodies[kind]
        self.stream.bodies[kind] = body[:start] + self.read(at, size) + body[start + length :]
        return OK

    def proxy_get_property(self, path, path_size, to, size):
        value = self.stream.state.get(self.read(path, path_size))
        return NOT_FOUND if value is None else self.give(value, to, size)

    def proxy_set_property(self, path, path_size, value, value_size):
        self.stream.state[self.read(path, path_size)] = self.read(value, value_size)
        return OK

    def proxy_call_foreign_function(self, name, name_size, argument, argument_size, to, size):
        return OK

    def proxy_set_tick_period_milliseconds(self, period):
        return OK

    def proxy_set_effective_context(self, context):
        return OK

    def proxy_get_shared_data(self, name, name_size, to, size, version):
        found = self.shared.get(self.read(name, name_size))
        if found is None:
            return NOT_FOUND
        self.write(version, struct.pack("<I", found[1]))
        return self.give(found[0], to, size)

    def proxy_set_shared_data(self, name, name_size, value, value_size, version):
        name = self.read(name, name_size)
        before = self.shared.get(name, (b"", 0))[1]
        self.shared[name] = (self.read(value, value_size), before + 1)
        return OK

    def proxy_define_metric(self, kind, name, name_size, to):
        self.write(to, struct.pack("<I", self.metrics.setdefault(self.read(name, name_size), len(self.metrics) + 1)))
        return OK

    def proxy_increment_metric(self, metric, by):
        return OK

    def proxy_record_metric(self, metric, value):
        return OK

    def proxy_send_local_response(self, status, details, details_size, body, body_size, headers, headers_size, grpc):
        self.stream.replied = True
        self.stream.headers[RESPONSE] = [(b":status", str(status).encode()), *pairs(self.read(headers, headers_size))]
        self.stream.bodies[RESPONSE_BODY] = self.read(body, body_size)
        return OK

    def random_get(self, to, size):
        self.write(to, bytes(range(size)))
        return OK

    def environ_sizes_get(self, count, size):
        self.write(count, bytes(4))
        self.write(size, bytes(4))
        return OK

    def environ_get(self, variables, texts):
        return OK

    # A request.

    def send(self, request, ask):
        """Sends a request through both roles; `ask` returns the provider's headers and the portions of its body."""
        self.stream, self.steps = Stream(), []
        stream, gateway, provider = self.stream, self.next, self.next + 1
        self.next += 2
        head, _, body = request.partition(b"\r\n\r\n")
        stream.headers[REQUEST] = http_headers(head)
        self.enter("proxy_on_context_create", gateway, GATEWAY)
        self.enter("proxy_on_request_headers", gateway, len(stream.headers[REQUEST]), 0)
        stream.bodies[REQUEST_BODY] = body
        passed = self.enter("proxy_on_request_body", gateway, len(body), 1)
        if passed == PAUSE and not stream.replied:
            raise SystemExit("bench: the gateway role waits for what this host does not have")
        if not stream.replied:
            stream.state[b"upstream\0local_address"] = b"127.0.0.1:40000"
            self.enter("proxy_on_context_create", provider, PROVIDER)
            self.enter("proxy_on_request_headers", provider, len(stream.headers[REQUEST]), 0)
            self.enter("proxy_on_request_body", provider, len(stream.bodies[REQUEST_BODY]), 1)
            stream.headers[RESPONSE], portions = ask(stream.headers[REQUEST], stream.bodies[REQUEST_BODY])
            self.enter("proxy_on_response_headers", provider, len(stream.headers[RESPONSE]), 0)
            whole, held = [], False
            for number, portion in enumerate(portions):
                stream.bodies[RESPONSE_BODY] = stream.bodies[RESPONSE_BODY] * held + portion
                last = number + 1 == len(portions)
                held = self.enter("proxy_on_response_body", provider, len(stream.bodies[RESPONSE_BODY]), int(last)) == PAUSE
                if number == 0 and not held or held and last:
                    self.enter("proxy_on_response_headers", gateway, len(stream.headers[RESPONSE]), 0)
                if not held:
                    moved = stream.bodies[RESPONSE_BODY]
                    self.enter("proxy_on_response_body", gateway, len(moved), int(last))
                    whole.append(stream.bodies[RESPONSE_BODY])
            stream.bodies[RESPONSE_BODY] = b"".join(whole)
            self.enter("proxy_on_done", provider)
            self.enter("proxy_on_delete", provider)
        else:
            self.enter("proxy_on_response_headers", gateway, len(stream.headers[RESPONSE]), 0)
            self.enter("proxy_on_response_body", gateway, len(stream.bodies[RESPONSE_BODY]), 1)
        self.enter("proxy_on_log", gateway)
        self.enter("proxy_on_done", gateway)
        self.enter("proxy_on_delete", gateway)
        return stream


def pairs(data):
    """Decodes a header map of the ABI."""
    (count,) = struct.unpack_from("<I", data)
    at, found = 4 + 8 * count, []
    for number in range(count):
        name, value = struct.unpack_from("<II", data, 4 + 8 * number)
        found.append((data[at : at + name], data[at + name + 1 : at + name + 1 + value]))
        at += name + value + 2
    return found


def http_headers(head):
    first, *lines = head.split(b"\r\n")
    method, path, _ = first.split(b" ")
    fields = [tuple(line.split(b": ", 1)) for line in lines]
    authority = next(value for name, value in fields if name == b"host")
    found = [(b":authority", authority), (b":path", path), (b":method", method), (b":scheme", b"http")]
    found += [pair for pair in fields if pair[0] != b"host"]
    return [*found, (b"x-forwarded-for", b"127.0.0.1"), (b"x-forwarded-proto", b"http"), (b"x-request-id", b"5e1f6f3c-0000-4000-8000-000000000000")]


def simulated(port):
    """Calls the simulator; splits a streamed answer into events."""

    def ask(headers, body):
        named = {name.decode(): value.decode() for name, value in headers}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        plain = {name: value for name, value in named.items() if not name.startswith(":") and name != "content-length"}
        connection.request(named[":method"], named[":path"], body, plain)
        answer = connection.getresponse()
        text = answer.read()
        found = [(b":status", str(answer.status).encode())]
        found += [(name.lower().encode(), value.encode()) for name, value in answer.getheaders() if name.lower() != "transfer-encoding"]
        found.append((b"x-envoy-upstream-service-time", b"0"))
        streams = b"text/event-stream" in dict(found).get(b"content-type", b"")
        return found, re.findall(rb".*?\n\n", text, re.S) + [b""] if streams else [text]

    return ask


def plugins(bootstrap):
    """Each role's configuration in the rendered bootstrap."""
    found, places = {}, [yaml.safe_load(bootstrap.read_text())]
    while places:
        place = places.pop()
        if isinstance(place, dict):
            if "vm_config" in place and "configuration" in place:
                value = place["configuration"]["value"]
                found[yaml.safe_load(value).get("role")] = value
            places += place.values()
        elif isinstance(place, list):
            places += place
    return {GATEWAY: found["gateway"], PROVIDER: found["provider"]}


def measure(stage, only, file):
    """Prints the counts of each row that uses the module, or every step of one row."""
    hosts, table = {}, []
    for row in ROWS:
        # This host has no Redis, and sends the same request each time.
        if row.server in FLOORS or row.numbers or only not in ("", row.name):
            continue
        if row.server not in hosts:
            bootstrap = stage.configuration(row.server, 80, f"count-{row.server}", 1)
            hosts[row.server] = Host(stage.wasm, plugins(bootstrap))
        host = hosts[row.server]
        for _ in range(3):  # the third request finds lazy state and cached answers
            stream = host.send(stage.request(row, 80), simulated(stage.simulator))
        status = dict(stream.headers[RESPONSE])[b":status"]
        if status != b"200":
            raise SystemExit(f"bench: {row.name}: answered with {status.decode()}: {stream.bodies[RESPONSE_BODY][:500]}")
        table.append(figures(row, host.steps))
        if only:
            way(host.steps)
    show(table)
    if file:
        file.write_text(json.dumps(table, indent=2) + "\n")


def figures(row, steps):
    calls = Counter(name for _, name in steps if not name.startswith((">", "<")))
    entries = sum(name.startswith("> ") for _, name in steps)
    return {
        "row": row.name, "instructions": sum(count for count, _ in steps), "host_calls": sum(calls.values()), "entries": entries,
        "events": row.events if row.stream else 1, "calls": dict(calls.most_common()),
    }


def way(steps):
    """Prints the instructions before each host call, in order."""
    for count, name in steps:
        if name.startswith("> proxy"):
            print(name[2:])
        elif name != "> malloc":
            print(f"{count:>12,}  {'returns' if name == '<' else name}")


def show(table):
    print(f"{'one request':<22}{'instructions':>14}{'an event':>12}{'host calls':>12}{'entries':>9}")
    for row in table:
        event = f"{row['instructions'] / row['events']:,.0f}" if row["events"] > 1 else ""
        print(f"{row['row']:<22}{row['instructions']:>14,}{event:>12}{row['host_calls']:>12,}{row['entries']:>9,}")
