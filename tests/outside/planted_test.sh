#!/usr/bin/env bash
# planted_test.sh PROGRAM: passes if PROGRAM, which carries one planted mistake, is reported by its sanitizer.
set -euo pipefail
program=$1
case $program in
  *leak) expected='LeakSanitizer: detected memory leaks' ;;
  *overflow | *use_after_free) expected='AddressSanitizer: use-after-poison' ;;
  *race) expected='ThreadSanitizer: data race' ;;
  *) echo "planted_test.sh: what should $program report?" >&2; exit 2 ;;
esac
status=0
output=$(env -u ASAN_OPTIONS -u TSAN_OPTIONS -u LSAN_OPTIONS timeout 120 "$program" 2>&1) || status=$?
if [[ $status -eq 0 || $output != *"$expected"* ]]; then
  printf '%s\n' "$output"
  echo "FAILED: $program must exit non-zero and report '$expected'; it exited with $status"
  exit 1
fi
grep -m1 -F "$expected" <<<"$output"
