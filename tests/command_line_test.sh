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
refuses "--only: no workload's name begins with 'W99'" "$bench" --only W99
refuses "--threads: takes whole numbers separated by ','" "$bench" --only W1 --threads 2x
refuses "cannot be opened for writing" "$bench" --only W1 --json "$box/no/such/file"
[[ $("$gradus" --version) == gradus\ * ]] || { echo "FAILED: --version"; exit 1; }
[[ -z $(ls) ]] || { echo "FAILED: left behind: $(ls)"; exit 1; }
