"""The rows of the benchmark: each names a server, its requests, and the row for comparison."""

import json
import random
import statistics
from dataclasses import dataclass, field, replace

SECRET = "sk-sluice-bench"
NUMBER = "00000000"  # the load generator puts a number there
EVENTS = 200  # text events in each of the simulator's streams
KIB, MIB = 1 << 10, 1 << 20


@dataclass
class Row:
    """A measurement: the server, the model, and the results."""

    name: str
    server: str
    model: str
    base: str = "bare"  # the row for comparison
    stream: bool = False
    prompt: int = KIB  # request body size in bytes
    events: int = EVENTS  # per stream
    ceiling: bool = False  # whether the ceiling part measures the row
    headers: tuple = ()
    numbers: int = 0  # how many different requests it repeats; 0 for one
    repeats: bool = True  # whether each load begins with the same numbers
    rates: list = field(default_factory=list)  # requests per second, one per round
    cpu: list = field(default_factory=list)  # microseconds of the server's CPU per request
    busy: list = field(default_factory=list)
    saturated: list = field(default_factory=list)  # (p50, p99)
    half: list = field(default_factory=list)  # ((p50, p99), base's)

    @property
    def per(self):
        """The number of counted units (events or requests) per request."""
        return self.events if self.stream else 1

    def rate(self):
        return statistics.median(self.rates)

    def body(self):
        """A request body of the row's size. A body of 1 KiB is padded with one letter, a larger one with natural text."""
        body = {"model": self.model, "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ""}]}
        if self.stream:
            body |= {"stream": True}
        before, after = json.dumps(body).split('""')
        number = NUMBER if self.numbers else ""
        room = self.prompt - len(before) - len(number) - len(after) - 2
        return f'{before}"{number}{text(room) if self.prompt > KIB else "x" * room}"{after}'


VOCABULARY = (
    "the of and to a in that is for it with as was on be at by this had not are but from or have an they which one you were "
    "all her she there would their we him been has when who will no more if out so said what up its about into than them can "
    "only other time new some could these two may first then do any like my now over such our man me even most made after"
).split()


def text(length):
    """A deterministic JSON string of this length: lines of words, some of them quoted."""
    chance, parts = random.Random(1), []
    for _ in range(1000):
        line = " ".join(chance.choices(VOCABULARY, k=12))
        parts.append((f'\\"{line}\\",' if chance.random() < 0.1 else line) + "\\n")
    paragraph = "".join(parts)
    cut = (paragraph * (length // len(paragraph) + 1))[:length]
    return cut[:-1] + "x" if cut.endswith("\\") else cut


# The rows for comparison. A cached answer is compared with `direct`: Envoy's own direct response, of the same length as the
# simulator's answer.
BASES = [
    Row("bare", "bare", "bench", base="", ceiling=True),
    Row("bare_stream", "bare", "bench", base="", stream=True),
    Row("direct", "direct", "bench", base=""),
    Row("bare_prompt_1mib", "bare", "bench", base="", prompt=MIB),
]

# `shared_hit` repeats more requests than Envoy's memory has room for, so that each lookup goes to Redis.
SHARED = 4000

ROWS = [
    Row("floor", "floor", "bench", ceiling=True),
    Row("dressed_floor", "dressed_floor", "bench", ceiling=True),
    Row("same_dialect", "sluice", "same", ceiling=True),
    Row("limited", "limited", "same", ceiling=True),
    Row("translated", "sluice", "translated", ceiling=True),
    Row("guarded", "guarded", "same"),
    Row("everything", "everything", "same", ceiling=True),
    Row("stream_same_dialect", "sluice", "same", base="bare_stream", stream=True),
    Row("stream_translated", "sluice", "translated", base="bare_stream", stream=True),
    Row("guarded_stream", "guarded", "translated", base="bare_stream", stream=True),
    Row("cache_hit", "sluice", "cached", base="direct"),
    Row("cache_miss", "sluice", "cached", numbers=10**8, repeats=False),
    Row("shared_hit", "shared", "cached", base="direct", numbers=SHARED),
    Row("shared_miss", "shared", "cached", numbers=10**8, repeats=False),
    Row("prompt_1mib", "sluice", "same", base="bare_prompt_1mib", prompt=MIB),
]

# Servers with an empty filter.
FLOORS = ("floor", "dressed_floor")
# The builds of the filter. A gateway uses the wasm module unless the server's name ends with another build.
BUILDS = ("wasm", "native")


def of_builds(rows, builds):
    """Repeats the rows with the filter for each build; other rows stay single."""
    ours = [row for row in rows if row.base and row.server not in (*FLOORS, "bare")]
    others = [row for row in rows if row not in ours]
    return others + [of_build(row, build) for build in builds for row in ours]


def of_build(row, build):
    if build == "wasm":
        return row
    lists = {name: [] for name in ("rates", "cpu", "busy", "saturated", "half")}
    return replace(row, name=f"{row.name} {build}", server=f"{row.server}@{build}", **lists)

# Paced streams: an event every 20 ms, with its send time.
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

# A stream that sends one text event and then stalls.
IDLE_MODEL = "bench+stall-after=1"
