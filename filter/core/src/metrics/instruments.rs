//! All metrics: names, units, labels and buckets. A new metric is one line here.
//!
//! Metrics whose names begin with `gen_ai.` follow OpenTelemetry's semantic conventions for generative AI. Source:
//! <https://github.com/open-telemetry/semantic-conventions-genai>, `model/gen-ai/metrics.yaml` and `docs/gen-ai/gen-ai-metrics.md` at
//! commit 004902b (2026-07). All of these conventions have the status "Development".

/// The kind of an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A sum that only grows.
    Counter,
    /// A current value.
    Gauge,
    /// A point in time; zero means none.
    Timestamp,
    /// A distribution. The buckets' upper bounds, inclusive, in the instrument's stored unit.
    Histogram(&'static [u64]),
}

impl Kind {
    /// How many numbers it stores: a histogram has its buckets, one for all larger values, and the sum.
    const fn width(self) -> usize {
        match self {
            Self::Counter | Self::Gauge | Self::Timestamp => 1,
            Self::Histogram(bounds) => bounds.len() + 2,
        }
    }

    /// How many time series Prometheus makes of it: a histogram has its buckets, the one for `+Inf`, the sum and the count.
    const fn series(self) -> usize {
        match self {
            Self::Counter | Self::Gauge | Self::Timestamp => 1,
            Self::Histogram(bounds) => bounds.len() + 3,
        }
    }
}

/// One metric, or the part of it with a fixed attribute.
#[derive(Debug, Clone, Copy)]
pub struct Instrument {
    /// OpenTelemetry's name.
    pub name: &'static str,
    /// The unit, in UCUM's notation.
    pub unit: &'static str,
    /// A description.
    pub help: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// How many of the stored unit make one of `unit`: 1, or 1,000,000 for microseconds and micro-dollars.
    pub scale: u64,
    /// An attribute besides the group's labels.
    pub attribute: Option<(&'static str, &'static str)>,
}

/// How two values of a row become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Their sum.
    Add,
    /// The later one, for seven days. The row's last value is its time, in milliseconds since 1970; no instrument reports it.
    Latest,
    /// The later one, as long as a worker repeats it.
    Current,
}

/// Metrics with the same labels, which are stored together: a row for each combination of label values.
#[derive(Debug)]
pub struct Group {
    /// Identifies it in a row's key.
    pub id: u8,
    /// How values merge.
    pub merge: Merge,
    /// The labels' names.
    pub labels: &'static [&'static str],
    /// Its instruments. Instruments of one name are neighbours.
    pub instruments: &'static [Instrument],
}

impl Group {
    /// The group with this id.
    pub fn by_id(id: u8) -> Option<&'static Self> {
        GROUPS.iter().copied().find(|group| group.id == id)
    }

    /// How many numbers a row stores.
    pub fn width(&self) -> usize {
        let width: usize = self.instruments.iter().map(|instrument| instrument.kind.width()).sum();
        width + usize::from(self.merge != Merge::Add)
    }

    /// How many time series Prometheus makes of a row.
    pub fn series(&self) -> usize {
        self.instruments.iter().map(|instrument| instrument.kind.series()).sum()
    }

    /// The instruments, each with the place of its numbers in a row.
    pub fn slots(&self) -> impl Iterator<Item = (&'static Instrument, Slot)> + use<> {
        let instruments = self.instruments;
        instruments.iter().enumerate().map(move |(index, instrument)| (instrument, Slot::of(instruments, index)))
    }
}

/// The place of an instrument's numbers in a row.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    /// The first one.
    pub at: usize,
    /// The upper bounds of a histogram's buckets.
    pub bounds: &'static [u64],
}

impl Slot {
    /// The instrument at `index`.
    const fn of(instruments: &'static [Instrument], index: usize) -> Self {
        let (mut at, mut rest, mut before) = (0, instruments, index);
        loop {
            match rest {
                [first, ..] if before == 0 => {
                    let bounds: &'static [u64] = if let Kind::Histogram(bounds) = first.kind { bounds } else { &[] };
                    return Self { at, bounds };
                }
                [first, others @ ..] => {
                    at += first.kind.width();
                    rest = others;
                    before -= 1;
                }
                [] => return Self { at, bounds: &[] },
            }
        }
    }
}

const fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Instrument {
    Instrument { name, unit, help, kind: Kind::Counter, scale: 1, attribute: None }
}

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Instrument {
    Instrument { name, unit, help, kind: Kind::Gauge, scale: 1, attribute: None }
}

/// A point in time in whole seconds.
const fn timestamp(name: &'static str, help: &'static str) -> Instrument {
    Instrument { kind: Kind::Timestamp, ..gauge(name, "s", help) }
}

/// A histogram of seconds, stored in microseconds.
const fn seconds(name: &'static str, bounds: &'static [u64], help: &'static str) -> Instrument {
    Instrument { name, unit: "s", help, kind: Kind::Histogram(bounds), scale: MILLION, attribute: None }
}

const fn dollars(name: &'static str, help: &'static str) -> Instrument {
    Instrument { scale: MILLION, ..counter(name, "{USD}", help) }
}

impl Instrument {
    const fn with(self, name: &'static str, value: &'static str) -> Self {
        Self { attribute: Some((name, value)), ..self }
    }

    const fn scaled(self, scale: u64) -> Self {
        Self { scale, ..self }
    }
}

const MILLION: u64 = 1_000_000;

/// The conventions' buckets for durations: 10 ms to 81.92 s, doubling.
const DURATION_BUCKETS: &[u64] = &[
    10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 1_280_000, 2_560_000, 5_120_000, 10_240_000, 20_480_000,
    40_960_000, 81_920_000,
];
/// The conventions' buckets for the time to the first token: 1 ms to 10 s.
const FIRST_TOKEN_BUCKETS: &[u64] = &[
    1_000, 5_000, 10_000, 20_000, 40_000, 60_000, 80_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000,
    5_000_000, 7_500_000, 10_000_000,
];
/// The conventions' buckets for the time per output token: 10 ms to 2.5 s.
const PER_TOKEN_BUCKETS: &[u64] = &[
    10_000, 25_000, 50_000, 75_000, 100_000, 150_000, 200_000, 300_000, 400_000, 500_000, 750_000, 1_000_000, 2_500_000,
];
/// The conventions' buckets for tokens: 1 to 67,108,864, times four.
const TOKEN_BUCKETS: &[u64] =
    &[1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864];
/// The gateway's own time is short: 50 us to 1 s.
const OVERHEAD_BUCKETS: &[u64] =
    &[50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 102_400, 204_800, 1_000_000];

const USED_TOKENS: Instrument = counter(
    "sluice.tokens",
    "{token}",
    "Tokens of all attempts. `cached_input` and `cache_write` are parts of `input`, `reasoning` is a part of `output`.",
);
const TOKEN_USAGE: Instrument = Instrument {
    kind: Kind::Histogram(TOKEN_BUCKETS),
    ..counter("gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.")
};
const CACHE_REQUESTS: Instrument =
    counter("sluice.cache.requests", "{request}", "Requests for models with a response cache, by result.");
const COMPARISONS: Instrument = counter(
    "sluice.cache.comparisons",
    "{request}",
    "Requests that the semantic cache compared with earlier ones: a response served, would have served (shadow), was not similar enough (different), or there was no embedding (failed).",
);

macro_rules! groups {
    ($(
        $(#[$about:meta])*
        $group:ident $module:ident $id:literal $merge:ident [$($label:literal),*] { $($slot:ident = $instrument:expr;)* }
    )*) => {
        $(
            $(#[$about])*
            pub static $group: Group = Group {
                id: $id,
                merge: Merge::$merge,
                labels: &[$($label),*],
                instruments: $module::ALL,
            };

            #[doc = concat!("The instruments of [`", stringify!($group), "`].")]
            pub mod $module {
                #[allow(clippy::wildcard_imports)]
                use super::*;

                #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
                enum Index { $($slot),* }

                pub(super) const ALL: &[Instrument] = &[$($instrument),*];

                $(
                    #[doc = concat!("The slot of `", stringify!($slot), "`.")]
                    pub const $slot: Slot = Slot::of(ALL, Index::$slot as usize);
                )*
            }
        )*

        /// All groups, in the order of the output.
        pub static GROUPS: &[&Group] = &[$(&$group),*];
    };
}

groups! {
    /// Requests by caller, model and server. `key` is empty unless the gateway file asks for it.
    REQUEST request 1 Add ["team", "app", "key", "model", "provider", "route", "tier", "error_type"] {
        REQUESTS = counter("sluice.requests", "{request}", "Requests, rejected ones included. A success has no `error_type`.");
    }

    /// The usage of requests, by caller, model and server.
    USAGE usage 18 Add ["team", "app", "key", "model", "provider", "route", "tier"] {
        COST = dollars("sluice.cost_usd", "Cost of all attempts, in US dollars.");
        INPUT = USED_TOKENS.with("type", "input");
        OUTPUT = USED_TOKENS.with("type", "output");
        CACHED_INPUT = USED_TOKENS.with("type", "cached_input");
        CACHE_WRITE = USED_TOKENS.with("type", "cache_write");
        REASONING = USED_TOKENS.with("type", "reasoning");
        PROMPT_CACHE_SAVED = dollars("sluice.prompt_cache.saved_usd", "Cost that the providers' prompt caches have saved, in US dollars: the plain price of the tokens read from them, minus their price.");
        PROMPT_CACHE_SURCHARGE = dollars("sluice.prompt_cache.surcharge_usd", "Additional cost of writes to the providers' prompt caches, in US dollars: the price of the tokens, minus their plain price.");
    }

    /// Requests that the gateway rejected itself, by the code of the error.
    REJECTED rejected 2 Add ["team", "app", "model", "code"] {
        REQUESTS = counter("sluice.rejected_requests", "{request}", "Requests that the gateway rejected, by error code.");
    }

    /// Durations of requests, by server.
    REQUEST_TIME request_time 3 Add [
        "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model", "error.type",
        "provider", "route", "tier"
    ] {
        DURATION = seconds("gen_ai.server.request.duration", DURATION_BUCKETS, "Generative AI server request duration such as time-to-last byte or last output token.");
    }

    /// Speed of successful streams, by server.
    REQUEST_SPEED request_speed 4 Add [
        "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model",
        "provider", "route", "tier"
    ] {
        FIRST_TOKEN = seconds("gen_ai.server.time_to_first_token", FIRST_TOKEN_BUCKETS, "Time to generate first token for successful responses.");
        PER_TOKEN = seconds("gen_ai.server.time_per_output_token", PER_TOKEN_BUCKETS, "Time per output token generated after the first token for successful responses.");
    }

    /// Attempts at a provider.
    ATTEMPT attempt 5 Add [
        "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "server.address", "server.port", "error.type",
        "provider"
    ] {
        ATTEMPTS = counter("sluice.attempts", "{attempt}", "Attempts at a provider. A success has no `error_type`.");
        DURATION = seconds("gen_ai.client.operation.duration", DURATION_BUCKETS, "GenAI operation duration.");
    }

    /// Output of attempts at a provider.
    ATTEMPT_OUTPUT attempt_output 6 Add [
        "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "server.address", "server.port", "provider"
    ] {
        INPUT = TOKEN_USAGE.with("gen_ai.token.type", "input");
        OUTPUT = TOKEN_USAGE.with("gen_ai.token.type", "output");
        FIRST_CHUNK = seconds("gen_ai.client.operation.time_to_first_chunk", DURATION_BUCKETS, "Time to receive the first chunk, measured from when the client issues the generation request to when the first chunk is received in the response stream.");
        PER_CHUNK = seconds("gen_ai.client.operation.time_per_output_chunk", DURATION_BUCKETS, "Time per output chunk, recorded for each chunk received after the first one, measured as the time elapsed from the end of the previous chunk to the end of the current chunk.");
    }

    /// Responses that did not come from the first target tried.
    FALLBACK fallback 7 Add ["model", "from", "to", "reason"] {
        FALLBACKS = counter("sluice.fallbacks", "{request}", "Requests that moved from one target to another, by the reason.");
    }

    /// The response cache.
    CACHE cache 8 Add ["team", "app", "model"] {
        HIT = CACHE_REQUESTS.with("result", "hit");
        MISS = CACHE_REQUESTS.with("result", "miss");
        BYPASS = CACHE_REQUESTS.with("result", "bypass");
        SHARED = CACHE_REQUESTS.with("result", "shared");
        SEMANTIC = CACHE_REQUESTS.with("result", "semantic");
        STORED = counter("sluice.cache.stored_responses", "{response}", "Responses stored in the cache.");
        SAVED = dollars("sluice.cache.saved_usd", "Cost that cache hits have saved, in US dollars: the price of their tokens.");
        SAVED_INPUT = counter("sluice.cache.saved_tokens", "{token}", "Tokens that cache hits have saved.").with("type", "input");
        SAVED_OUTPUT = counter("sluice.cache.saved_tokens", "{token}", "Tokens that cache hits have saved.").with("type", "output");
    }

    /// The semantic cache.
    SEMANTIC_CACHE semantic_cache 19 Add ["team", "app", "model"] {
        SERVED = COMPARISONS.with("result", "served");
        SHADOW = COMPARISONS.with("result", "shadow");
        DIFFERENT = COMPARISONS.with("result", "different");
        FAILED = COMPARISONS.with("result", "failed");
        TOKENS = counter("sluice.cache.embedding_tokens", "{token}", "Tokens of embeddings for the semantic cache.");
        COST = dollars("sluice.cache.embedding_usd", "Cost of embeddings for the semantic cache, in US dollars. It is a part of sluice.cost_usd.");
    }

    /// Guardrails.
    GUARD guard 9 Add ["team", "model", "guard", "finding", "side", "action"] {
        ACTIONS = counter("sluice.guard.actions", "{action}", "Matches of guardrails, by the action taken.");
    }

    /// Judges of guardrails.
    JUDGE judge 21 Add ["team", "model", "guard", "judge", "side", "result"] {
        CALLS = counter("sluice.judge.calls", "{call}", "Calls to judges of guardrails, by the result.");
        DURATION = seconds("sluice.judge.duration", DURATION_BUCKETS, "Time from the calls of a request to a judge until its verdict; of all windows of a stream together.");
        COST = dollars("sluice.judge.cost_usd", "Cost of calls to judges, in US dollars. It is not a part of sluice.cost_usd.");
    }

    /// Content filters of providers.
    CONTENT_FILTER content_filter 20 Add ["team", "model", "provider", "side", "category", "action"] {
        RESULTS = counter("sluice.content_filter", "{result}", "Results of the providers' own content filters that found something, by attempt.");
    }

    /// The gateway's own time.
    OVERHEAD_TIME overhead 10 Add ["gen_ai.operation.name"] {
        OVERHEAD = seconds("sluice.overhead", OVERHEAD_BUCKETS, "Time from the complete request to its first attempt, or to the gateway's own response: authentication, limits, guardrails, cache, routing.");
    }

    /// Events without labels.
    EVENTS events 11 Add [] {
        REDIS_UNAVAILABLE = counter("sluice.redis.failed_calls", "{call}", "Calls to Redis without a valid reply.");
        UNCHECKED = counter("sluice.unchecked_requests", "{request}", "Requests that passed without a check of limits and budgets, because the store was unavailable.");
        UNLEASED = counter("sluice.unleased_reservations", "{reservation}", "Reservations without a lease, because their shard was full. If such a settlement is lost, the reserved amount stays charged.");
        UNSETTLED = counter("sluice.dropped_settlements", "{settlement}", "Settlements that were dropped. The reserved amount stays charged until its lease ends.");
        OVERLOADED = counter("sluice.overload_rejections", "{message}", "Requests and responses that were rejected because the worker, or the key, held too many bytes.");
        SPANS_DROPPED = counter("sluice.dropped_traces", "{request}", "Requests whose spans were dropped, because the trace collector did not accept them.");
        LOWER_TIER = counter("sluice.lower_tier_responses", "{request}", "Responses from a target of a lower tier than the model's best.");
        SHARED_CACHE_FAILED = counter("sluice.cache.failed_shared_calls", "{call}", "Calls to the shared cache in Redis that failed, or were not made because an earlier one failed.");
        EMBEDDING_FAILED = counter("sluice.cache.failed_embedding_calls", "{call}", "Calls for embeddings of the semantic cache that failed.");
    }

    /// Budgets, as of the last request that they concerned.
    BUDGET budget 12 Latest ["budget", "period"] {
        USED = gauge("sluice.budget.used_usd", "{USD}", "Amount used of a budget in its current period, in US dollars.").scaled(MILLION);
        LIMIT = gauge("sluice.budget.limit_usd", "{USD}", "The budget, in US dollars.").scaled(MILLION);
        RATIO = gauge("sluice.budget.used_ratio", "1", "The used part of a budget in its current period: 1 when it is used up.").scaled(MILLION);
        RESETS_AT = timestamp("sluice.budget.reset_timestamp", "End of the budget's current period, in seconds since 1970.");
    }

    /// Circuits of targets, as of now.
    CIRCUIT circuit 14 Current ["provider", "model"] {
        OPEN = gauge("sluice.circuit.open", "{circuit}", "1 while the target's circuit is open: requests skip the target.");
    }

    /// The configuration, as of now.
    CONFIG config 15 Current ["version"] {
        INFO = gauge("sluice.config.info", "{config}", "The active gateway file: always 1; its version is in the label.");
    }

    /// The last change of the configuration, as of now.
    RELOAD reload 16 Current [] {
        SUCCESSFUL = gauge("sluice.config.last_reload_successful", "{reload}", "1 if the last gateway file is active, 0 if it was rejected.");
        TIME = timestamp("sluice.config.last_reload_success_timestamp", "When the active gateway file was loaded, in seconds since 1970.");
    }

    /// Workers, as of their last tick.
    WORKER worker 13 Current ["worker"] {
        IN_FLIGHT = gauge("sluice.requests_in_flight", "{request}", "Requests in flight.");
        BACKLOG = gauge("sluice.settlement_backlog", "{settlement}", "Settlements that wait to be sent to Redis.");
    }
}

#[cfg(test)]
mod tests;
