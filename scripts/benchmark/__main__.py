"""The benchmark. scripts/bench builds the binaries and calls it.

Bare Envoy (a plain route), Envoy with an empty filter in both places, and Envoy with Sluice each run with one worker, pinned
to the first core; the load generator and the simulated provider share the second. Rounds are interleaved. Each result is compared
with bare Envoy's in the same round, and the report shows the median over rounds. There are five parts:

  rows      throughput and CPU in a closed loop, and the added latency at half of the row's capacity, in an open loop
  paced     streams with an event every 20 ms: the latency added to each event and to the first one, and the number of merged events
  ceiling   requests per second at a p99 below 10 ms
  start     wall clock and CPU time until the server listens
  memory    resident memory with 1, 2 and 8 workers, of an idle stream, and after prompts of 30 MiB

The rows:

  floor             an empty filter in both places, in the plain configuration
  dressed_floor     an empty filter in both places, in the configuration that `sluice render` writes
  same_dialect      client and provider speak OpenAI's format
  limited           same_dialect with 4 limits and 2 budgets to check
  translated        the provider speaks Anthropic's format
  guarded           same_dialect with guardrails on prompts and answers
  everything        4 limits, 2 budgets, guardrails on prompts and answers
  stream_*          streamed rows; they count events
  guarded_stream    translated, with guardrails on prompts and answers
  cache_hit         an answer from the cache
  cache_miss        a lookup in Envoy's memory, an answer of the provider, which is stored there
  shared_hit        an answer from Redis: a lookup in Envoy's memory, one in Redis, and its memory evicts another response
  shared_miss       lookups in both, an answer of the provider, which is stored in both
  prompt_1mib       a prompt of 1 MiB

CPU is the server's CPU time from /proc, divided by requests (for streams, by events). `busy` is the server's use of its core: well
below 100%, the load generator was the bottleneck, and the CPU results say more than the ratio of throughputs.
"""

import argparse
import contextlib
import json
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

import ceiling
import memory
import paced
import peers
import report
import sampled
import startup
from rows import BASES, BUILDS, FLOORS, PACED, ROWS, of_builds
from stage import NATIVE, WASM, Stage

PARTS = ["rows", "paced", "ceiling", "start", "memory"]


def named(parser, kind, text, known):
    """Splits a list of names and rejects unknown ones."""
    names = text.split(",")
    if unknown := sorted(set(names) - set(known)):
        parser.error(f"no such {kind}: {', '.join(unknown)}; there are {', '.join(known)}")
    return names


def arguments():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only the rows, in fewer and shorter rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--only", metavar="ROW,...", help="only these rows, and no other part unless --parts names it")
    parser.add_argument("--parts", metavar="PART,...", help="only these parts: " + ", ".join(PARTS))
    parser.add_argument("--filter", default="wasm", metavar="BUILD,...", help="the builds of the filter: wasm, native; wasm")
    others = ", ".join(peers.PEERS)
    parser.add_argument("--against", metavar="NAME,...", help=f"other gateways on the same work: {others}; each is installed first")
    parser.add_argument("--profile", metavar="ROW", help="no table: where the CPU time of one row goes, by function; wants Linux' perf")
    counts = "no table: the module's instructions and host calls for one request of each row; of a ROW with every step of its way"
    parser.add_argument("--count", nargs="?", const="", metavar="ROW", help=counts)
    parser.add_argument("--streams", type=int, default=1000, metavar="N", help="so many silent streams for the memory of one; 1000")
    parser.add_argument("--rounds", type=int, help="how often everything is measured; 5, or 3 with --quick")
    parser.add_argument("--seconds", type=float, help="of one measurement; 5, or 1.5 with --quick")
    parser.add_argument("--envoy", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (1.5 if options.quick else 5)
    names = [row.name for row in ROWS]
    options.only = named(parser, "row", options.only, names) if options.only else None
    options.filter = named(parser, "build", options.filter, BUILDS)
    options.against = named(parser, "gateway", options.against, peers.PEERS) if options.against else []
    default = ["rows"] if options.quick or options.only else PARTS
    options.parts = named(parser, "part", options.parts, PARTS) if options.parts else default
    if options.profile:
        named(parser, "row", options.profile, [row.name for row in BASES + ROWS if row.base or row.server == "bare"])
    if options.count:
        named(parser, "row", options.count, [row.name for row in ROWS if row.server not in FLOORS and not row.numbers])
    return options


def progress(text):
    print(f"\r{text:<70}", end="", file=sys.stderr, flush=True)


def measure_rows(stage, rows, bases):
    options = stage.options
    for number in range(options.rounds):
        progress(f"rows, round {number + 1} of {options.rounds}")
        for row in [*bases, *rows]:
            stage.saturate(row)
        for row in rows:
            if not row.stream:
                stage.half_load(row)


def measure(options, stage):
    """Runs the selected parts and returns their results."""
    rows = of_builds([row for row in ROWS if not options.only or row.name in options.only], options.filter)
    paced_rows = of_builds(PACED, options.filter)
    rows += [row for name in options.against for row in peers.rows(name)]
    bases = [base for base in BASES if any(row.base == base.name for row in rows)]
    ladder = {"rows": [*bases, *rows], "paced": paced_rows, "ceiling": [stage.bases["bare"], *(row for row in rows if row.ceiling)]}
    wanted = [row for part, those in ladder.items() if part in options.parts for row in those]
    for server in dict.fromkeys(row.server for row in wanted):
        progress(f"starting {server}")
        stage.serve(server)
    time.sleep(1)
    for row in wanted:
        progress(f"warming up {row.name}")
        # V8 optimizes hot code in the filter, and Redis receives all responses of `shared_hit`.
        stage.load(row, 6 if row.numbers and row.repeats else 1)
    document = {}
    if "rows" in options.parts:
        measure_rows(stage, rows, bases)
        document["rows"] = [report.figures(row, stage.bases[row.base]) for row in rows]
    if "paced" in options.parts:
        document["paced"] = paced.measure(stage, paced_rows, progress)
    if "ceiling" in options.parts:
        document["ceiling"] = ceiling.measure(stage, ladder["ceiling"], progress)
    if "start" in options.parts:
        ours = [server if build == "wasm" else f"{server}@{build}" for build in options.filter for server in ("sluice", "everything")]
        servers = ["bare", "floor", "dressed_floor", *ours, *options.against]
        document["start"] = startup.measure(stage, servers, progress)
    if "memory" in options.parts:
        document["memory"] = memory.measure(stage, options.filter, options.streams, progress)
    progress("")
    print("\r", end="", file=sys.stderr, flush=True)
    show(document, rows, bases)
    return document


def show(document, rows, bases):
    if "rows" in document:
        report.checks(rows)
        report.table(document["rows"], bases)
    for part, module in (("paced", paced), ("ceiling", ceiling), ("start", startup), ("memory", memory)):
        if part in document:
            module.show(document[part])


def allow_files(count):
    """Raises the limit of open files for this process and its children, if permitted."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in ((max(count, allowed), max(count, most)), (most, most)):
        with contextlib.suppress(ValueError, OSError):
            return resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    allow_files(2 * (memory.FIRST + options.streams) + 1000)
    machine = report.machine(options.envoy)
    with tempfile.TemporaryDirectory(prefix="sluice-bench.") as scratch, contextlib.ExitStack() as stack:
        stage = Stage(options, Path(scratch), stack)
        if options.profile:
            sampled.measure(stage, next(row for row in BASES + ROWS if row.name == options.profile))
            return
        if options.count is not None:
            import counted  # needs an extra library

            return counted.measure(stage, options.count, options.json)
        document = measure(options, stage)
    size = WASM.stat().st_size
    modules = [WASM, NATIVE] if "native" in options.filter else [WASM]
    sizes = ", ".join(f"{module.name}: {module.stat().st_size / 2**20:.2f} MiB" for module in modules)
    print(f"\n{sizes}; {machine['envoy']} on {machine['processor']}")
    print(f"rounds: {options.rounds}, of {options.seconds:g} s each")
    if options.json:
        document |= {"machine": machine, "wasm_bytes": size, "rounds": options.rounds, "seconds": options.seconds}
        options.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
