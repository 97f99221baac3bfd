#!/usr/bin/env bash
# example_resume_test.sh EXAMPLE [MOST]: an example that is interrupted (Ctrl-C) at any moments and started again, with 1 and 2
# threads in turns, ends with the weights of one that was not, and says 130 when it is interrupted; another configuration is
# refused. MOST: after so many interruptions it is left in peace.
set -uo pipefail
example=$1 most=${2:-400}
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT
fail() { echo "FAILED: $1"; exit 1; }

began=${EPOCHREALTIME/./}
"$example" --quick --threads 1 --save "$box/whole.safetensors" >"$box/whole.txt" || fail "the run that nobody disturbed: $(cat "$box/whole.txt")"
whole_ms=$(((${EPOCHREALTIME/./} - began) / 1000))
interrupted=0 status=1
for run in $(seq 400); do
  : >"$box/parts.txt"  # some steps more each time, until it ends by itself
  "$example" --quick --threads $((1 + run % 2)) --resume "$box/run" --save "$box/parts.safetensors" >"$box/parts.txt" 2>&1 &
  pid=$!
  if [[ $interrupted -lt $most ]]; then
    while kill -0 $pid 2>/dev/null && ! grep -q '^epoch' "$box/parts.txt"; do sleep 0.02; done  # fit listens now
    wait_ms=$((RANDOM % (whole_ms / 2 + 1)))
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    kill -INT $pid 2>/dev/null
  fi
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
