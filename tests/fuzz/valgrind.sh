#!/bin/sh
# The codec and deflate under valgrind: the fuzz targets' seeds and some mutations,
# then tests; any invalid read, write or jump is a failure. valgrind.sh [PYTHON]
set -eu
cd "$(dirname "$0")/../.."
python=${1:-python3}
if ! command -v valgrind > /dev/null; then
  echo "skipped: there is no valgrind"
  exit 0
fi
# Python's own allocator would hide where blocks end.
export PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1
run() {
  valgrind --quiet --error-exitcode=9 --leak-check=no --num-callers=30 \
    --suppressions=tests/fuzz/valgrind.supp "$@"
}
echo "The fuzz targets, under valgrind"
run "$python" tests/fuzz/run.py --runs "${RUNS:-60}" decode large encode text inflate deflate
echo "Tests, under valgrind"
run "$python" -m pytest -q -p no:cacheprovider --timeout=600 \
  tests/test_findings.py tests/test_decoder_text.py \
  -k "not python and not Hypothesis"
