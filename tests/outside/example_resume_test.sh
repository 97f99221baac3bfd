#!/usr/bin/env bash
# example_resume_test.sh EXAMPLE: an example that is interrupted (Ctrl-C) and started again ends with the weights of one that
# was not, and says 130 when it is interrupted; another configuration is refused.
set -uo pipefail
example=$1
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT
fail() { echo "FAILED: $1"; exit 1; }

"$example" --quick --save "$box/whole.safetensors" >"$box/whole.txt" || fail "the run that nobody disturbed: $(cat "$box/whole.txt")"
interrupted=0
for _ in $(seq 400); do
  # Some steps more each time, until it ends by itself.
  "$example" --quick --resume "$box/run" --save "$box/parts.safetensors" >"$box/parts.txt" 2>&1 &
  pid=$!
  while kill -0 $pid 2>/dev/null && ! grep -q '^epoch' "$box/parts.txt"; do sleep 0.02; done  # fit listens now
  sleep 0.$((RANDOM % 2))$((RANDOM % 10))
  kill -INT $pid 2>/dev/null
  wait $pid
  status=$?
  [[ $status -eq 0 ]] && break
  [[ $status -eq 130 ]] || fail "an interrupted run ended with $status: $(cat "$box/parts.txt")"
  interrupted=$((interrupted + 1))
done
[[ $interrupted -gt 0 ]] || echo "it was too fast to be interrupted"
[[ $status -eq 0 ]] || fail "it never came to its end"
cmp "$box/whole.safetensors" "$box/parts.safetensors" || fail "other weights after $interrupted interruptions"
if "$example" --quick --seed 2 --resume "$box/run" >"$box/other.txt" 2>&1; then fail "another seed was not refused"; fi
grep -q 'seed is "1" there, "2" here' "$box/other.txt" || fail "the difference is not named: $(cat "$box/other.txt")"
echo "the same weights after $interrupted interruptions"
