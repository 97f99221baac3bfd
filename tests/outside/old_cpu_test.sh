#!/usr/bin/env bash
# old_cpu_test.sh NEEDS PROGRAM [ARGUMENT ...]: on an emulated processor without AVX2 the program names what is missing and
# exits with 1; on one that has all of NEEDS (a list that CMake wrote) it runs.
set -euo pipefail
needs=$1
shift
if ! command -v qemu-x86_64 >/dev/null; then
  echo "skipped: qemu-x86_64 is not installed (Debian: qemu-user)"
  exit 77
fi
refused() {  # CPU MISSING PROGRAM [ARGUMENT ...]
  local cpu=$1 missing=$2 program=("${@:3}") status=0 output
  output=$(timeout 120 qemu-x86_64 -cpu "$cpu" "${program[@]}" 2>&1) || status=$?
  if [[ $status -ne 1 || $output != *"this one lacks: "*"$missing"* ]]; then
    printf '%s\n' "$output"
    echo "FAILED: on $cpu the program must exit with 1 and name $missing; it exited with $status"
    exit 1
  fi
  echo "$cpu: refused, as it should"
}
refused Nehalem avx2 "$@"
if grep -q avx512f "$needs"; then
  refused Haswell avx512f "$@"
else
  timeout 120 qemu-x86_64 -cpu Haswell "$@"
  echo "Haswell: runs"
fi
