#!/usr/bin/env bash
# The rules of the rooms hold, and scripts/check_rooms notices when each of them is broken.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT

house() { rm -rf "$box/house" && mkdir -p "$box"/house/{core/io,core/internal,autograd/check,autograd/internal,nn/layers,optim,data,train,tools,tests} && cd "$box/house"
  for room in core autograd nn optim data train tools; do printf '#pragma once\n' >$room/a.h; done
  for file in core/io/a.h core/internal/a.h autograd/check/a.h autograd/internal/a.h nn/layers/a.h; do printf '#pragma once\n' >$file; done
  printf 'namespace {\nint helper() { return 1; }\n}  // namespace\n' >core/a.cpp; }
failures=0
planted() {  # FILE TEXT EXPECTED: a house with TEXT in FILE must be refused, in these words
  house
  mkdir -p "$(dirname "$1")"
  printf '%b\n' "$2" >"$1"
  if output=$("$root/scripts/check_rooms" "$box/house") || [[ $output != "$1:"*"$3"* ]]; then
    echo "FAILED: not noticed: '$2' in $1 (said: '$output')"
    failures=$((failures + 1))
  fi
}
fine() {  # FILE TEXT
  house
  mkdir -p "$(dirname "$1")"
  printf '%b\n' "$2" >"$1"
  if ! "$root/scripts/check_rooms" "$box/house"; then
    echo "FAILED: '$2' in $1 was refused"
    failures=$((failures + 1))
  fi
}

planted core/b.h '#include <gradus/autograd/a.h>' 'core must not know autograd'
planted core/b.cpp '#include <gradus/data/a.h>' 'core must not know data'
planted autograd/b.cpp '#include <gradus/nn/a.h>' 'autograd must not know nn'
planted nn/b.cpp '  #  include <gradus/optim/a.h>' 'nn must not know optim'
planted optim/b.cpp '#include <gradus/nn/a.h>' 'optim must not know nn'
planted data/b.cpp '#include <gradus/autograd/a.h>' 'data must not know autograd'
planted nn/b.cpp '#include <gradus/train/a.h>' 'nn must not know train'
planted data/b.cpp '#include <gradus/tools/a.h>' 'data must not know tools'
planted core/b.cpp '#include <gradus/core/missing.h>' 'there is no <gradus/core/missing.h>'
planted core/b.cpp '#include "a.h"' 'spelled <gradus/room/file.h>'
planted core/b.cpp '#include <oneapi/tbb/parallel_for.h>' 'TBB is named'
planted nn/b.cpp 'void f() { tbb::parallel_for(0, 1, g); }' 'TBB is named'
planted nn/b.cpp '#include <cblas.h>' 'BLAS and LAPACK are named'
planted core/kernels/reduce.cpp 'extern "C" float cblas_sdot(int);' 'BLAS and LAPACK are named'
planted core/kernels/gemm.h '#include <cblas.h>' 'a public header must not include <cblas.h>'
planted core/b.h '#include <fmt/format.h>' 'a public header must not include <fmt/format.h>'
planted nn/b.h '#include <iostream>' 'a public header must not include <iostream>'
planted optim/b.h '#include <nlohmann/json.hpp>' 'a public header must not include'
planted data/b.cpp '// TO''DO: the rest' 'unfinished'
planted gradus.h "$(printf '#include <gradus/%s/a.h>\\n' core autograd nn data train)" 'offers no header of optim'
planted autograd/ops/b.cpp '#include <gradus/autograd/check/a.h>' 'must not know autograd/check'
planted core/b.h '#include <gradus/core/io/a.h>' 'must not know core/io'
planted nn/module.h '#include <gradus/nn/layers/a.h>' 'must not know nn/layers'
planted nn/b.cpp '#include <gradus/core/internal/a.h>' '<gradus/core/internal/a.h> is internal to core/'
planted core/b.h '#include <gradus/core/internal/a.h>' 'which is not installed'
planted core/io/b.cpp 'namespace {\nint helper(int x) { return x; }\n}  // namespace' 'helper is also in the unnamed namespace of core/a.cpp'
planted core/io/c.cpp 'namespace {\ntemplate <class T> T helper(T x) { return x; }\n}  // namespace' 'helper is also in the unnamed namespace of core/a.cpp'
planted core/long.cpp "$(printf '\\n%.0s' {1..450})int end;" 'longer than 450 lines'

fine autograd/b.cpp '#include <gradus/autograd/internal/a.h>'
fine data/c.cpp 'namespace {\nint helper(int x) { return x; }\n}  // namespace'
fine core/kernels/gemm.cpp '#include <cblas.h>'
fine core/parallel.cpp '#include <oneapi/tbb/parallel_for.h>'
fine core/b.cpp '#include <gradus/core/a.h>\n// as tbb::parallel_for and cblas_sgemm do\nconst char* name = "openblas";'
fine tools/b.cpp '#include <gradus/nn/a.h>\n#include <gradus/optim/a.h>\n#include <iostream>'
fine gradus.h "$(printf '#include <gradus/%s/a.h>\\n' core autograd nn optim data train)"
fine data/b.cpp '#include <gradus/core/a.h>'
fine train/b.cpp '#include <gradus/nn/a.h>\n#include <gradus/optim/a.h>\n#include <gradus/data/a.h>'

"$root/scripts/check_rooms" "$root" || failures=$((failures + 1))
[[ $failures -eq 0 ]] && echo "the rooms are in order; every planted violation was noticed"
