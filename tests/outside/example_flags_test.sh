#!/usr/bin/env bash
# example_flags_test.sh EXAMPLE: what is wrong on an example's command line is refused at once, with what would be right.
set -uo pipefail
example=$1 failures=0
refused() {  # WHAT IT MUST SAY, ARGUMENT ...
  local expected=$1 said status=0
  shift
  said=$(timeout 60 "$example" "$@" 2>&1) || status=$?
  if [[ $status -eq 0 || $said != *"$expected"* ]]; then
    printf 'FAILED: %s ended with %s and said\n%s\nnot: %s\n' "$*" "$status" "$said" "$expected"
    failures=$((failures + 1))
  fi
}
refused "has no option '--optimzer'; did you mean '--optimizer'?" --optimzer adam
refused "has no option '--frobnicate'" --frobnicate
refused "--epochs: must be a whole number above 0, got '-1'" --epochs -1
refused "--batch: must be a whole number above 0, got '1e3'" --batch 1e3
refused "--threads: must be a whole number above 0, got '0'" --threads 0
refused "there is no optimizer 'adm'; did you mean 'adam'?" --optimizer "adm(lr=1)"
refused "no such folder" --data /nowhere
refused "/nowhere/x.safetensors" --save /nowhere/x.safetensors
[[ $failures -eq 0 ]] && echo "every mistake was named"
