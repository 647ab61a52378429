#!/bin/sh
# Fuzzes the codec's C with libFuzzer, ASan and UBSan: run.sh [SECONDS of each].
# Needs clang and its compiler runtime (Debian: clang and libclang-rt-14-dev).
set -eu
cd "$(dirname "$0")/../../.."
seconds=${1:-60}
clang=$(command -v clang || command -v clang-14 || true)
flags="-g -O2 -Wall -Wextra -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all"
build=build/fuzz/c
mkdir -p "$build"

if [ -z "$clang" ]; then
  echo "  C headers    skipped: there is no clang"
  exit 0
fi
for name in mask utf8; do
  # shellcheck disable=SC2086
  if ! "$clang" $flags -o "$build/$name" "tests/fuzz/c/$name.c" 2> "$build/$name.log"; then
    if grep -q 'error:.*libclang_rt\|cannot find.*clang_rt' "$build/$name.log"; then
      echo "  C headers    skipped: clang has no libFuzzer here (libclang-rt-14-dev)"
      exit 0
    fi
    cat "$build/$name.log" >&2
    exit 1
  fi
  mkdir -p "$build/corpus-$name"
  if ! "$build/$name" -max_total_time="$seconds" -max_len=300 -print_final_stats=1 \
      -artifact_prefix="$build/$name-" "$build/corpus-$name" > "$build/$name.log" 2>&1; then
    tail -40 "$build/$name.log"
    echo "  _$name.h FINDING: its input is in $build"
    exit 1
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log")
  printf '  _%-11s %9s inputs %6s s   no finding\n' "$name.h" "$runs" "$seconds"
done
