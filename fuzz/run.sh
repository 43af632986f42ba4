#!/usr/bin/env bash
# Fuzzes every target (or those named), with AddressSanitizer, on a stable toolchain; cargo-fuzz is not needed.
#
#   fuzz/run.sh SECONDS [TARGET...]      so long each, from what was found before
#   fuzz/run.sh --runs N [TARGET...]     N executions each, from fixed seeds
#
# Starts from fuzz/seeds/TARGET; what a timed run finds new is kept in target/fuzz/corpus/TARGET, a failing input in
# target/fuzz/artifacts. Prints executions, coverage and findings.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ "$1" = --runs ]; then
  runs=$2; shift 2
  extent="$runs runs" limit=(-runs="$runs" -seed=1)
else
  runs=0
  extent="$1 s" limit=(-max_total_time="$1"); shift
fi
[ $# -gt 0 ] || set -- c_calls metadata product round_trip
host=$(rustc -vV | sed -n 's/^host: //p')
work=$PWD/target/fuzz
# The flags of cargo-fuzz, without those that trace comparisons, which double the time to build, and without debug assertions,
# which add a quarter: what they check of pointers is AddressSanitizer's. (Overflow is checked: fuzz/Cargo.toml.) Its own
# checks are calls, not code in place: two thirds of the time to build, and nineteen executions for twenty.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$work/build
export RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module
  -Cllvm-args=-asan-instrumentation-with-call-threshold=0
  -Cllvm-args=-sanitizer-coverage-level=2 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
  -Cllvm-args=-sanitizer-coverage-pc-table"
cargo build --quiet --locked --manifest-path fuzz/Cargo.toml --target "$host"
for target in "$@"; do
  corpus=$work/corpus/$target
  if [ $runs != 0 ]; then corpus=$work/none; rm -rf "$corpus"; fi
  mkdir -p "$corpus" "$work/artifacts"
  status=0
  "$CARGO_TARGET_DIR/$host/debug/$target" "$corpus" "fuzz/seeds/$target" \
    -artifact_prefix="$work/artifacts/$target-" "${limit[@]}" -timeout=60 -rss_limit_mb=4096 \
    -max_len=20000 -len_control=20 -print_final_stats=1 -print_funcs=0 >"$work/$target.log" 2>&1 || status=$?
  executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log")
  coverage=$(grep -o 'cov: [0-9]*' "$work/$target.log" | tail -1)
  echo "fuzz: $target: ${executed:-?} executions, ${coverage:-cov: ?} edges, $extent, status $status"
  if [ $status != 0 ] || [ "${executed:-0}" -lt "$runs" ]; then tail -60 "$work/$target.log"; exit 1; fi
done
