#!/usr/bin/env bash
# command_line_test.sh GRADUS GRADUS_BENCH: what the programs refuse before they do anything, each with a word on what is wrong.
set -euo pipefail
gradus=$1 bench=$2
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT
cd "$box"

# refuses TEXT PROGRAM ARGUMENT ...: exits with something other than 0, and TEXT is in what it says.
refuses() {
  local text=$1 said
  shift
  if said=$("$@" 2>&1); then echo "FAILED: not refused: $*"; exit 1; fi
  [[ $said == *"$text"* ]] || { echo "FAILED: $*"; echo "  says: $said"; echo "  not:  $text"; exit 1; }
}

quick=("$gradus" compare --model mlp --limit 64)
refuses "there is no command 'comapre'; did you mean 'compare'?" "$gradus" comapre
refuses "compare has no option '--epoch'; did you mean '--epochs'?" "${quick[@]}" --epoch=3
refuses "info has no option '--thread'; did you mean '--threads'?" "$gradus" --thread 2 info
refuses "--epochs: must be a whole number" "${quick[@]}" --epochs 99999999999999999999  # not the largest there is
refuses "--epochs: must be a whole number" "${quick[@]}" --epochs 1.5
refuses "--epochs: must be a whole number" "${quick[@]}" --epochs 0x2
refuses "--seed: must be a whole number from 0 to" "${quick[@]}" --seed -1
refuses "--threads: must be a whole number" "$gradus" info --threads 2x
refuses "--optimizers: must not be empty" "${quick[@]}" --optimizers ""  # not the default six
refuses "--data: must not be empty" "${quick[@]}" --data ""  # not generated digits
refuses "--trace: must not be empty" "$gradus" replay --optimizer sgd --params p --grads g --out o --trace ""
refuses "--target: must be a number" "${quick[@]}" --target 1e999
refuses "--target: must be a number" "${quick[@]}" --target 0x1p-1
refuses "--target: must lie in (0, 1], got inf" "${quick[@]}" --target inf
refuses "--limit: must be at most 10000000" "$gradus" compare --limit 9223372036854775807
refuses "--steps: must lie in" "$gradus" minimize --optimizer sgd --steps 9223372036854775807
refuses "--steps: must lie in" "$gradus" schedule 0.1 --steps 9223372036854775807
refuses "--threads: must be a whole number" "$gradus" info --threads 99999999999999999999
refuses "--budget: must lie in (0, 3600] seconds, got inf" "$bench" --only W1 --budget 1e999
refuses "--threads: names no number of threads" "$bench" --only W1 --threads ,
refuses "--only: no workload's name begins with 'W99'" "$bench" --only W99
refuses "--threads: takes whole numbers separated by ','" "$bench" --only W1 --threads 2x
refuses "cannot be opened for writing" "$bench" --only W1 --json "$box/no/such/file"
[[ $("$gradus" --version) == gradus\ * ]] || { echo "FAILED: --version"; exit 1; }

# Outputs that cannot be written are noticed before the work, and nothing else is written then.
refuses "No such file or directory" "$gradus" minimize --optimizer sgd --steps 10000000 --json no/such
refuses "No such file or directory" timeout 20 "$gradus" gradcheck --json no/such
refuses "No such file or directory" timeout 20 "$gradus" gradcheck --layouts --json no/such
refuses "No such file or directory" "$gradus" schedule 0.1 --json no/such
npy() {  # npy FILE SHAPE BYTES
  local header="{'descr': '<f4', 'fortran_order': False, 'shape': $2, }"$'\n'
  printf "\x93NUMPY\x01\x00$(printf '\\x%02x' ${#header})\x00%s$3" "$header" >"$1"
}
inputs=$(mktemp -d)
trap 'rm -rf "$box" "$inputs"' EXIT
npy "$inputs/p.npy" "(1,)" '\x00\x00\x80\x3f'
npy "$inputs/g.npy" "(1, 1)" '\x00\x00\x80\x3f'
replay=("$gradus" replay --optimizer sgd --params "$inputs/p.npy" --grads "$inputs/g.npy")
refuses "no/such: cannot be written" "${replay[@]}" --out o.npy --trace no/such
refuses "no/such: cannot be written" "${replay[@]}" --out no/such --trace t.json
refuses "names the same file as --out" "${replay[@]}" --out o.npy --trace ./o.npy
"${replay[@]}" --out "$inputs/o.npy" --trace "$inputs/t.json" >"$inputs/said"
[[ $(<"$inputs/said") == *"1 steps of sgd"* && -s $inputs/o.npy && -s $inputs/t.json ]] || { echo "FAILED: replay"; exit 1; }
"${replay[@]}" --out "$inputs/o.npy" --trace /dev/stdout >"$inputs/said"  # what the shell has opened is written to
[[ $(<"$inputs/said") == *'"steps"'*"1 steps of sgd"* ]] || { echo "FAILED: --trace /dev/stdout"; exit 1; }

# A command whose output is lost says so.
for words in --help --version info optimizers "optimizers --json" "equations adam" "schedule cosine(0.1,total=9)" \
             "minimize --optimizer sgd" "gradcheck --op relu" \
             "compare --model mlp --limit 64 --epochs 1 --optimizers sgd --out $inputs/run"; do
  # shellcheck disable=SC2086
  refuses "standard output could not be written" bash -c '"$0" "$@" >/dev/full' "$gradus" $words
  # shellcheck disable=SC2086
  refuses "standard output could not be written" bash -c '"$0" "$@" >&-' "$gradus" $words
done
refuses "standard output could not be written" bash -c '"$0" --list >/dev/full' "$bench"
"${replay[@]}" --out "$inputs/closed.npy" >&- 2>/dev/null && { echo "FAILED: replay with a closed output"; exit 1; }
cmp "$inputs/o.npy" "$inputs/closed.npy" || { echo "FAILED: output went into a file"; exit 1; }

# Ctrl-C ends `compare` in order, unless whoever started it has it ignored: then KILL must end it, 128 + 9.
endless=("$gradus" compare --model mlp --limit 64 --epochs 1000000 --optimizers sgd --out "$inputs/run")
status=0; timeout --preserve-status -s INT -k 60 1 "${endless[@]}" >/dev/null || status=$?
[[ $status -eq 130 ]] || { echo "FAILED: interrupted, exit status $status"; exit 1; }
ignoring=(bash -c 'trap "" INT; exec "$0" "$@"')
status=0; (timeout --preserve-status -s INT -k 1 1 "${ignoring[@]}" "${endless[@]}") >/dev/null 2>&1 || status=$?
[[ $status -eq 137 ]] || { echo "FAILED: interrupted although that is ignored, exit status $status"; exit 1; }

[[ -z $(ls) ]] || { echo "FAILED: left behind: $(ls)"; exit 1; }
