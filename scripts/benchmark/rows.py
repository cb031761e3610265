"""What is measured: each row names a server, what is asked of it, and the row it is compared with."""

import json
import random
import statistics
from dataclasses import dataclass, field, replace

SECRET = "sk-sluice-bench"
EVENTS = 200  # with text, in each of the simulator's streams
KIB, MIB = 1 << 10, 1 << 20


@dataclass
class Row:
    """One thing to measure: which server, which model, and what came of it."""

    name: str
    server: str
    model: str
    base: str = "bare"  # the row it is compared with
    stream: bool = False
    prompt: int = KIB  # bytes of the request's body
    events: int = EVENTS  # of a stream
    ceiling: bool = False  # whether its requests per second below a latency are looked for
    headers: tuple = ()
    rates: list = field(default_factory=list)  # requests per second, one per round
    cpu: list = field(default_factory=list)  # microseconds of the server's CPU per request
    busy: list = field(default_factory=list)
    saturated: list = field(default_factory=list)  # (p50, p99)
    half: list = field(default_factory=list)  # ((p50, p99), base's)

    @property
    def per(self):
        """How many of what is counted are in one request."""
        return self.events if self.stream else 1

    def rate(self):
        return statistics.median(self.rates)

    def body(self):
        """A request of the row's size. One of a KiB is filled with one letter; a large one is text as people write it."""
        body = {"model": self.model, "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ""}]}
        if self.stream:
            body |= {"stream": True}
        before, after = json.dumps(body).split('""')
        room = self.prompt - len(before) - len(after) - 2
        return f'{before}"{text(room) if self.prompt > KIB else "x" * room}"{after}'


VOCABULARY = (
    "the of and to a in that is for it with as was on be at by this had not are but from or have an they which one you were "
    "all her she there would their we him been has when who will no more if out so said what up its about into than them can "
    "only other time new some could these two may first then do any like my now over such our man me even most made after"
).split()


def text(length):
    """So many bytes of a JSON string, the same each time: lines of words, some of them quoted."""
    chance, parts = random.Random(1), []
    for _ in range(1000):
        line = " ".join(chance.choices(VOCABULARY, k=12))
        parts.append((f'\\"{line}\\",' if chance.random() < 0.1 else line) + "\\n")
    paragraph = "".join(parts)
    cut = (paragraph * (length // len(paragraph) + 1))[:length]
    return cut[:-1] + "x" if cut.endswith("\\") else cut


# What rows are compared with. An answer from the cache is compared with `direct`: one that Envoy gives by itself, as long as the
# simulator's.
BASES = [
    Row("bare", "bare", "bench", base="", ceiling=True),
    Row("bare_stream", "bare", "bench", base="", stream=True),
    Row("direct", "direct", "bench", base=""),
    Row("bare_prompt_1mib", "bare", "bench", base="", prompt=MIB),
]

ROWS = [
    Row("floor", "floor", "bench", ceiling=True),
    Row("dressed_floor", "dressed_floor", "bench", ceiling=True),
    Row("same_dialect", "sluice", "same", ceiling=True),
    Row("limited", "limited", "same", ceiling=True),
    Row("translated", "sluice", "translated", ceiling=True),
    Row("everything", "everything", "same", ceiling=True),
    Row("stream_same_dialect", "sluice", "same", base="bare_stream", stream=True),
    Row("stream_translated", "sluice", "translated", base="bare_stream", stream=True),
    Row("guarded_stream", "guarded", "translated", base="bare_stream", stream=True),
    Row("cache_hit", "sluice", "cached", base="direct"),
    Row("prompt_1mib", "sluice", "same", base="bare_prompt_1mib", prompt=MIB),
]

# Servers with an empty filter.
FLOORS = ("floor", "dressed_floor")
# The builds of the filter. A gateway's server is one with the wasm module unless its name ends with another build.
BUILDS = ("wasm", "native")


def of_builds(rows, builds):
    """The rows of gateways once for each of these builds; the others as they are."""
    ours = [row for row in rows if row.base and row.server not in (*FLOORS, "bare")]
    others = [row for row in rows if row not in ours]
    return others + [of_build(row, build) for build in builds for row in ours]


def of_build(row, build):
    if build == "wasm":
        return row
    lists = {name: [] for name in ("rates", "cpu", "busy", "saturated", "half")}
    return replace(row, name=f"{row.name} {build}", server=f"{row.server}@{build}", **lists)

# Paced streams: an event each 20 ms, and in it when it left.
PACED_EVENTS = 50
PACED_MODEL = f"bench+tokens={PACED_EVENTS}+every=20"


def paced(name, server, model):
    return Row(name, server, model, base="bare_paced", stream=True, events=PACED_EVENTS)


PACED = [
    paced("bare_paced", "bare", PACED_MODEL),
    paced("floor_paced", "floor", PACED_MODEL),
    paced("paced_same_dialect", "sluice", "paced_same"),
    paced("paced_translated", "sluice", "paced_translated"),
    paced("paced_guarded", "guarded", "paced_translated"),
]

# A stream that says one thing and then nothing more.
IDLE_MODEL = "bench+stall-after=1"
