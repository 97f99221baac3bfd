#!/usr/bin/env bash
# scripts/lint is clean, and notices a planted mistake of each kind that it looks for. 77: a tool is missing.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT
cd "$root" || exit 2
tar cf - --exclude=./build --exclude=./.git --exclude=./runs . | tar xf - -C "$box"
cd "$box" || exit 2
failures=0 status=0
scripts/lint || status=$?
[[ $status -eq 0 || $status -eq 77 ]] || { echo "FAILED: the tree is not clean"; exit 1; }
[[ $status -eq 0 ]] || exit 77
planted() {  # FILE TEXT WHO
  cp "$1" "$box.saved"
  printf '%b\n' "$2" >>"$1"
  if output=$(scripts/lint 2>&1) || [[ $output != *"lint: "*"$3"* ]]; then
    echo "FAILED: not noticed by $3: '$2' in $1"
    failures=$((failures + 1))
  fi
  mv "$box.saved" "$1"
}
planted core/error.h 'inline int  badly( ){return 1 ;}' format
planted nn/init.h '#include <gradus/optim/optimizer.h>' rooms
planted core/shape.h '/// \\param nothing\nint described(int something);' reference
planted train/report/charts.js 'const broken = (;' javascript
[[ $failures -eq 0 ]] && echo "lint is clean, and every planted mistake was noticed"
