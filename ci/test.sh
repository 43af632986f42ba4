#!/usr/bin/env bash
# Everything that must hold before a change lands.
#
#   bash ci/test.sh                  all steps
#   bash ci/test.sh format rust      these steps alone
#   bash ci/test.sh --list           the steps' names
#
# It installs what a step needs and the machine lacks (Debian, as root or with sudo); elsewhere it
# leaves out what it cannot run. The summary at the end names every step, and everything that did
# NOT run. The exit code is 0 if nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Those joined by a comma run side by side, for two cores; by a plus, one after another within that. (aarch64 builds on
# what c has built. rust comes before all that fetches the crates of the whole workspace: the example that it runs must do
# without.)
steps=(environment format rust oracle,lint+doc+supply+msrv benches examples c+aarch64,dispatch+fuzz)
# Steps that run only when named: they cost more minutes than a landing has.
named_only=(avx512 powerpc64 sanitizers)

# The tests that emulators run: bits and memory, on few cases. Those of the second list on one CPU of each architecture.
# (Unit tests only where they are built already: they are a second build of the library.)
emulated=(--test environment --test kat --test oracle --test format --test differential --test transposable)
emulated_once=(--test tensor --test groups --test soft_threshold)
also=() # the second list, where its turn is
options=() # what cargo needs for a cross build
# The standard library's checks of pointers are a quarter of a build, and slow an emulator down: steps rust and c make them.
cross_profile="CARGO_PROFILE_DEV_DEBUG_ASSERTIONS=false"
# Without what benches and examples alone depend on: see Cargo.toml.
cross_flags="--cfg spnm_emulated"

# What narrows tests, or makes them write what they should compare, is not taken over from the caller.
unset SPNM_BLESS SPNM_MAX_ISA SPNM_TEST_ISA SPNM_TEST_EFFORT SPNM_TEST_ALONE SPNM_SOAK_GROWTH_KIB PROPTEST_CASES METHODS PATTERNS
unset RUST_TEST_THREADS
# Nor what builds for another CPU, or elsewhere, than the steps say.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
# Debug information would double the time to link and the size of target/.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
export CARGO_INCREMENTAL=0
cargo() { command cargo "$1" --locked "${@:2}"; }

# ---------------------------------------------------------------- steps
# Each runs in a subshell of its own under `set -e`. `not_run WHAT WHY` leaves a part out and
# goes on; `skip WHY` leaves the step.

step_environment() {
  rustc --version
  uname -srm
  sed -n 's/^model name[^:]*: */cpu: /p' /proc/cpuinfo 2>/dev/null | sort | uniq -c || true
  local out
  out=$(cargo test --quiet --all-features --test environment -- --nocapture) || { echo "$out"; return 1; }
  echo "$out"
  if [ "$(uname -m)" = x86_64 ]; then
    local level
    for level in avx2 avx512; do
      grep -q "^levels:.* $level\b" <<<"$out" || not_run "tests of the $level kernels" "not on this CPU (step avx512 emulates one)"
    done
  fi
}

step_format() {
  has_component fmt rustfmt
  command cargo fmt --all --check
}

step_lint() {
  has_component clippy clippy
  cargo clippy --workspace --all-targets --all-features -- -D warnings
}

step_doc() {
  RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --features capi
}

step_supply() { # what a user of the library takes on: crates, licences, features, public items
  cargo tree --edges normal --target all --all-features --prefix none --format '{p}' | cut -d' ' -f1 |
    LC_ALL=C sort -u | grep -vx spnm | diff packaging/dependencies.txt - ||
    { echo "the library's dependencies are not those of packaging/dependencies.txt"; return 1; }
  # Every set of features compiles alone.
  local features set i
  mapfile -t features < <(sed -n '/^\[features\]/,/^\[[^f]/s/^\([a-z][a-z0-9_-]*\) *=.*/\1/p' Cargo.toml)
  for ((set = 0; set < 1 << ${#features[@]}; set++)); do
    local chosen=
    for i in "${!features[@]}"; do ((set >> i & 1)) && chosen+=${features[i]},; done
    echo "--- features: ${chosen:-none}"
    cargo check --lib --no-default-features --features "$chosen"
  done
  # The two tools take minutes to build: `cargo install --locked cargo-deny cargo-public-api`.
  not_run "known vulnerabilities" "their database is fetched from the network; cargo deny check advisories"
  if command cargo deny --version 2>/dev/null; then
    cargo fetch --quiet # of every platform: what is checked is the whole lock file
    command cargo deny --offline --workspace check licenses bans sources
  else
    not_run "licences and sources of all dependencies" "cargo-deny is not installed"
  fi
  if command cargo public-api --version 2>/dev/null; then
    # Apart: what is built with RUSTC_BOOTSTRAP is built anew without.
    RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=target/public-api cargo rustdoc --lib -- -Zunstable-options --output-format json
    # As a set: how an impl is cut into blocks is no user's matter.
    command cargo public-api --rustdoc-json target/public-api/doc/spnm.json -sss | LC_ALL=C sort -u |
      diff <(LC_ALL=C sort -u packaging/public-api.txt) - ||
      { echo "the public items are not those of packaging/public-api.txt"; return 1; }
  else
    not_run "packaging/public-api.txt" "cargo-public-api is not installed"
  fi
}

step_rust() { # on every level that the CPU has, and of the C interface what C cannot reach
  SPNM_SOAK_SECONDS=20 tests --all-features
  # The bits again as users build them: an optimiser may see what the dev profile does not.
  cargo test --release --features capi --test differential --test oracle --test transposable
  cargo test -p xtask
}

step_benches() { # each bench compiles, checks its results and runs once
  bash benches/peers/install.sh >"$log/peers" 2>&1 ||
    not_run "installing the C libraries of the bench peers" "$(tail -n 1 "$log/peers")"
  tests --benches --all-features
}

step_examples() {
  cargo build --release --features capi --examples # with the library that steps rust and c test
  cargo run --release --features capi --example quickstart
}

step_msrv() { # the declared minimum of the library, where rustup has it or can fetch it
  local msrv
  msrv=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  rustup run "$msrv" rustc --version 2>/dev/null ||
    rustup toolchain install "$msrv" --profile minimal >"$log/msrv" 2>&1 ||
    skip "no toolchain $msrv is installed, and rustup cannot fetch it"
  CARGO_TARGET_DIR=target/msrv rustup run "$msrv" cargo check --locked --lib --features capi
}

step_oracle() { # the committed vectors are what the NumPy definition returns
  python_with_numpy || skip "NumPy is not there and cannot be fetched"
  "$python" tests/oracle/make_vectors.py --check
  "$python" tests/oracle/transposable.py --check
  "$python" tests/oracle/make_estimators.py --check
  "$python" tests/oracle/soft_threshold.py --check
  "$python" tests/oracle/make_tensor.py --check
  "$python" tests/oracle/groups.py --check
}

step_c() { # the installed C library; ffi-tests/run.sh says what it leaves out
  need cmake cmake
  need pkg-config pkg-config
  need valgrind valgrind
  need mpicc libopenmpi-dev openmpi-bin
  python_with_numpy || true # ffi-tests/run.sh says what it leaves out
  if cross=$(cross_compiler); then
    echo "export RUSTC=$cross/bin/rustc RUSTDOC=$cross/bin/rustdoc $cross_profile RUSTFLAGS='$cross_flags'" >"$log/aarch64"
  fi
  PATH=$PWD/$(dirname "$python"):$PATH AARCH64_ENV=$log/aarch64 bash ffi-tests/run.sh | tee "$log/c"
  if [ "$(uname -m)" = x86_64 ]; then python3 ci/stack_probes.py target/ffi-tests/prefix/lib/libspnm.so; fi
  sed -n 's/^SKIPPED *//p' "$log/c" | while read -r what; do not_run "$what" "see step c"; done
}

step_fuzz() { # a smoke of every target of fuzz/, with AddressSanitizer
  need g++ g++ # for libFuzzer
  bash fuzz/run.sh --runs 1500
}

step_dispatch() { # on an older x86-64, code for a newer one dies of an illegal instruction
  [ "$(uname -m)" = x86_64 ] || skip "for x86-64"
  need qemu-x86_64 qemu-user
  not_run "AVX-512 under qemu" "it has none; step rust covers it where the CPU has it, step avx512 elsewhere"
  options=(--all-features) # the build of step rust
  beside newer_x86 older_x86
}

# What step rust has run on a level is not emulated as a whole again, which takes minutes: the digests never; on the newer
# CPU, if this one has AVX2, the first list alone, without its long products, which is enough to die of an instruction.
newer_x86() {
  local fewer=(--skip long_products)
  grep -qw avx2 /proc/cpuinfo || { fewer=(); also=(--lib "${emulated_once[@]}"); }
  emulated_x86 Haswell "reference portable avx2" "${fewer[@]}"
  few emulated_x86 max "reference portable avx2"
}

older_x86() {
  few emulated_x86 max,-fma "reference portable"
  also=(--lib "${emulated_once[@]}")
  emulated_x86 Nehalem "reference portable"
}

step_avx512() { # on a CPU without AVX-512 its kernels run in an emulator of a whole machine
  [ "$(uname -m)" = x86_64 ] || skip "for x86-64"
  local packages program list status=0
  read -ra packages < <(bash ci/bochs.sh --packages)
  need bochs "${packages[@]}"
  also=(--lib "${emulated_once[@]}" --test memory --test determinism)
  cargo test --no-run "${emulated[@]}" "${also[@]}" --all-features 2>&1 | tee "$log/avx512"
  list=$(sed -n 's/^ *Executable .*(\(.*\))$/\1/p' "$log/avx512" | while read -r program; do
    case ${program##*/} in
      environment-*) echo "$program --nocapture" ;;
      determinism-*) echo "$program digests --nocapture" ;;
      differential-*) echo "$program --skip long_products" ;;
      spnm-*) echo "$program kernels every_table" ;;
      *) echo "$program" ;;
    esac
  done)
  SPNM_TEST_EFFORT=0 SPNM_TEST_ISA=portable,avx2,avx512 bash ci/bochs.sh target/ci-bochs <<<"$list" >"$log/bochs" 2>"$log/bochs_errors" ||
    status=$?
  [ "$status" != 3 ] || skip "$(tail -n 1 "$log/bochs_errors")"
  cat "$log/bochs"
  grep -q "levels: reference portable avx2 avx512$" "$log/bochs" && [ "$status" = 0 ]
}

step_aarch64() {
  cross_setup
  also=("${emulated_once[@]}" --test memory) # on x86-64 step rust has run the latter on every level
  cross_build aarch64
  beside smaller_arm larger_arm
}

smaller_arm() {
  emulated_arm cortex-a53
}

larger_arm() {
  few emulated_arm max
  digests
}

emulated_arm() { # CPU
  echo "--- qemu-aarch64, $1"
  QEMU_CPU=$1 cross_test aarch64 "reference portable neon"
}

step_powerpc64() { # big-endian, and a target without kernels of its own
  cross_setup
  # AltiVec's arithmetic takes subnormals for zeros, which LLVM does not know of; the scalar units keep them. (s390x
  # is no alternative: qemu 7.2 gets its MDEBR, the product of two f32s as an f64, wrong.)
  cross_flags+=" -C target-feature=-altivec,-vsx"
  also=("${emulated_once[@]}")
  cross_build powerpc64
  cross_test powerpc64 "reference portable"
  digests
}

step_sanitizers() { # the Rust tests with AddressSanitizer, pools and their callers with ThreadSanitizer
  local host
  host=$(rustc -vV | sed -n 's/^host: //p')
  export SPNM_TEST_EFFORT=0 RUSTC_BOOTSTRAP=1
  # What is freed is kept for a while, lest it be used again: little of it, as the soak watches memory.
  export ASAN_OPTIONS=quarantine_size_mb=1:thread_local_quarantine_size_kb=16
  echo "--- AddressSanitizer"
  # (Its allocator fills for a minute or longer, and growth counts from the first quarter of the soak on: a tenth of what it
  # holds by then is no leak.)
  SPNM_SOAK_SECONDS=80 SPNM_SOAK_GROWTH_KIB=14000 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=target/asan \
    cargo test --target "$host" --features capi \
    --lib --test kat --test oracle --test format --test differential --test determinism --test properties --test load
  echo "--- ThreadSanitizer"
  # std must be built with it, or its locks are invisible: from the source that ci/cross-setup.sh unpacks.
  cross_setup
  local runtime
  runtime=$(rustc --print sysroot)/lib/rustlib/$host/lib/librustc-stable_rt.tsan.a
  [ -f "$runtime" ] || { not_run "ThreadSanitizer" "this toolchain has no runtime for it"; return; }
  cp "$runtime" "$cross/usr/lib/rustlib/$host/lib/"
  RUSTC=$cross/bin/rustc RUSTDOC=$cross/bin/rustdoc RUSTFLAGS=-Zsanitizer=thread CARGO_TARGET_DIR=target/tsan \
    cargo test --target "$host" -Zbuild-std --features capi --lib --test load -- pool callers
}

# ---------------------------------------------------------------- what the steps share
not_run() { echo "NOT RUN: $1: $2" | tee -a "$log/not_run"; }
skip() {
  echo "NOT RUN: $step: $1" | tee -a "$log/not_run"
  exit 77
}

has_component() { # NAME-OF-SUBCOMMAND COMPONENT
  command cargo "$1" --version 2>/dev/null || rustup component add "$2" ||
    skip "$2 is not installed and cannot be fetched"
}

install_packages() {
  command -v apt-get >/dev/null || skip "missing: $* (no apt-get here)"
  local root=()
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || skip "missing: $* (neither root nor sudo without a password)"
    root=(sudo)
  fi
  ( # one at a time: what runs beside may want packages too
    flock 9
    "${root[@]}" apt-get -qq update &&
      DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get -qq install -y --no-install-recommends "$@"
  ) 9>"$log/packages" || skip "missing: $* (apt-get cannot install them)"
}

need() { # COMMAND PACKAGE...
  command -v "$1" >/dev/null || install_packages "${@:2}"
}

python_with_numpy() { # sets `python`; fails without a network
  python=target/ci-python/bin/python
  "$python" -c 'import numpy' 2>/dev/null && return
  python3 -m venv --clear target/ci-python ||
    { install_packages python3-venv && python3 -m venv --clear target/ci-python; }
  "$python" -m pip install --quiet --disable-pip-version-check numpy
}

emulated_x86() { # CPU LEVELS [TEST-OPTION...]
  echo "--- qemu-x86_64, $1"
  CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="qemu-x86_64 -cpu $1" emulated_test "${@:2}"
}

beside() { # COMMAND...: at the same time, for two cores; what they print comes one after another
  local command pids=() failed=0
  for command in "$@"; do
    (set -e; $command) >"$log/$command" 2>&1 &
    pids+=($!)
  done
  for command in "$@"; do
    wait "${pids[0]}" || failed=1
    pids=("${pids[@]:1}")
    cat "$log/$command"
  done
  return "$failed"
}

few() { # COMMAND...: with few of the emulated tests, for a CPU whose levels another one tests
  local emulated=(--test environment --test kat) also=()
  "$@"
}

emulated_test() { # LEVELS [TEST-OPTION...]: detection finds exactly these, and they are right
  local out
  out=$(cargo test --quiet --test environment "${options[@]}" -- --nocapture) || { echo "$out"; return 1; }
  grep -qx "levels: $1" <<<"$out" || { echo "expected levels: $1; found: $out"; return 1; }
  not_run "$step: the heavy loops of its tests in full" "emulators are slow (SPNM_TEST_EFFORT=0)"
  SPNM_TEST_EFFORT=0 tests "${emulated[@]}" "${also[@]}" "${options[@]}" -- "${@:2}"
}

tests() { # OPTION...: cargo test, which prints what its tests leave out
  local out
  out=$(mktemp -p "$log")
  cargo test "$@" | tee "$out"
  sed -n 's/^.*not run: //p' "$out" | while read -r line; do not_run "${line%%: *}" "${line#*: }"; done
}

digests() { # tests/digests.txt: storages, threads and call splits, on every level that is there
  cargo test --quiet --test determinism "${options[@]}" -- --nocapture digests
}

cross_compiler() { # installs it and prints its prefix, while nothing else is being installed
  (
    if command -v flock >/dev/null; then flock 9; fi
    bash ci/cross-setup.sh 2>"$log/cross-setup"
  ) 9>"$log/packages"
}

cross_setup() { # sets `cross`, the prefix of the compiler for other targets
  local status=0
  cross=$(cross_compiler) || status=$?
  case $status in
    0) ;;
    3) skip "no cross compiler, no emulator: $(tail -n 1 "$log/cross-setup")" ;;
    *) cat "$log/cross-setup"; return 1 ;;
  esac
}

cross_environment() { # ARCH: cargo, rustc, linker and runner for it; sets `options`
  local variable=CARGO_TARGET_${1^^}_UNKNOWN_LINUX_GNU
  export RUSTC=$cross/bin/rustc RUSTDOC=$cross/bin/rustdoc CARGO_TARGET_DIR=target/cross "$cross_profile" RUSTFLAGS="$cross_flags"
  export "${variable}_LINKER=$1-linux-gnu-gcc" "${variable}_RUNNER=qemu-${1/powerpc/ppc} -L /usr/$1-linux-gnu"
  options=(--target "$1-unknown-linux-gnu" --features capi) # the build of step c
  if [ ! -d "$cross/usr/lib/rustlib/$1-unknown-linux-gnu" ]; then
    export RUSTC_BOOTSTRAP=1
    options+=(-Zbuild-std)
  fi
}

cross_build() { # ARCH
  cross_environment "$1"
  cargo test --no-run "${emulated[@]}" "${also[@]}" "${options[@]}"
}

cross_test() { # ARCH LEVELS [TEST-OPTION...]
  cross_environment "$1"
  emulated_test "${@:2}"
}

end() { # PID: it and all that it has started
  local child children
  children=$(grep -ls "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status | cut -d/ -f3 || true)
  kill "$1" 2>/dev/null || true
  for child in $children; do end "$child"; done
}

finish() { # nothing goes on behind an interrupted run, or writes into the folder that is removed
  local job
  for job in $(jobs -p); do end "$job"; done
  wait
  rm -rf "$log"
}

# ---------------------------------------------------------------- run and sum up
if [ "${1:-}" = --list ]; then
  printf '%s\n' "${steps[@]//[,+]/$'\n'}" "${named_only[@]}"
  exit
fi
left_out=("${named_only[@]}")
[ $# -gt 0 ] && steps=("$@") left_out=()
for step in ${steps[*]//[,+]/ }; do
  declare -F "step_$step" >/dev/null || { echo "no step $step; bash ci/test.sh --list" >&2; exit 2; }
done

log=$(mktemp -d)
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
touch "$log/not_run"

run_step() { # STEP: writes its line of the summary
  local step=$1 start=$SECONDS status result
  printf '\n==== %s (at %d:%02d)\n' "$step" $((SECONDS / 60)) $((SECONDS % 60))
  set +e # in a condition, `set -e` would not hold inside the step
  (set -e; "step_$step") </dev/null
  status=$?
  set -e
  case $status in
    0) result=passed ;;
    77) result="NOT RUN" ;;
    *) result=FAILED ;;
  esac
  printf '%-12s %-8s %5d s\n' "$step" "$result" $((SECONDS - start)) >"$log/result_$step"
}

run_steps() { # STEP+STEP...
  local step
  for step in ${1//+/ }; do run_step "$step"; done
}

for entry in "${steps[@]}"; do
  IFS=, read -ra at_once <<<"$entry"
  if [ ${#at_once[@]} = 1 ]; then
    run_steps "$entry" & # a trap waits for what runs in the foreground
    wait $!
  else
    printf '\n==== %s side by side (at %d:%02d)\n' "${entry//,/ and }" $((SECONDS / 60)) $((SECONDS % 60))
    beside "${at_once[@]/#/run_steps }"
  fi
done
summary=$(for step in ${steps[*]//[,+]/ }; do cat "$log/result_$step"; done)
count() { grep -c "^[a-z0-9]* *$1" <<<"$summary" || true; }
passed=$(count passed) failed=$(count FAILED) skipped=$(count "NOT RUN")

printf '\n==== summary (%d:%02d)\n%s' $((SECONDS / 60)) $((SECONDS % 60)) "$summary"$'\n'
awk '!said[$0]++' "$log/not_run"
for step in "${left_out[@]}"; do echo "NOT RUN: $step: runs only when named"; done
echo "steps: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
