#!/usr/bin/env bash
# packaging_test.sh WAY SOURCE BUILD CXX CMAKE: builds the program in tests/outside/consumer the WAY a stranger would (find_package,
# add_subdirectory, FetchContent) and runs it. SOURCE is our checkout, BUILD a finished build of it with the compiler CXX.
set -euo pipefail
way=$1 source=$2 build=$3 cxx=$4 cmake=$5
box=$build/packaging/$way  # always the same place, so that ccache can help
rm -rf "$box" && mkdir -p "$box"
fail() { echo "FAILED ($way): $*"; exit 1; }

# Speed does not matter here, so what has to be built again is not optimised.
options=(-DHOW="$way" -DGRADUS_SOURCE="$source" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0)
if command -v ccache >/dev/null; then
  export CCACHE_EXTRAFILES=$build/cpu_check/macros.txt  # what -march=native means here
  options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi
case $way in
  find_package)
    "$cmake" --install "$build" --prefix "$box/prefix" --component library >"$box/log" || { cat "$box/log"; fail "no installation"; }
    options+=(-DCMAKE_PREFIX_PATH="$box/prefix")
    ;;
  add_subdirectory) options+=(-DBUILD_SHARED_LIBS=ON) ;;
  FetchContent) options+=(-DGRADUS_NATIVE=OFF -DBUILD_SHARED_LIBS=ON) ;;  # chooses its instruction set when it starts
esac

"$cmake" -S "$source/tests/outside/consumer" -B "$box/build" -G Ninja "${options[@]}" >"$box/log" 2>&1 || { cat "$box/log"; fail "no configuration"; }
"$cmake" --build "$box/build" -j2 --target plain fast >"$box/log" 2>&1 || { cat "$box/log"; fail "no build"; }
find -L "$box/build" -maxdepth 1 -name gradus_tests | grep -q . && fail "a stranger's build made our tests"

commands=$(tr -d '\n' <"$box/build/compile_commands.json" | sed 's/},/&\n/g')
line_of() { grep -F "CMakeFiles/$1.dir/main.cpp.o" <<<"$commands" | head -1; }
plain=$(line_of plain) fast=$(line_of fast)
[[ -n $plain && -n $fast ]] || fail "no compile commands"
for flag in ' -W' ' -march' ' -m' ' -f' ' -DGRADUS' 'openblas' 'nlohmann' 'FMT_'; do
  [[ $plain != *"$flag"* ]] || fail "the program inherits '$flag': $plain"
done
[[ $fast == *" -march="* && $fast == *" -ffp-contract=off"* ]] || fail "gradus::fast brings no flags: $fast"
[[ $fast != *" -W"* ]] || fail "gradus::fast brings warnings: $fast"

"$box/build/plain" >"$box/plain.out" || fail "the program failed"
"$box/build/fast" >"$box/fast.out" || fail "the program with gradus::fast failed"
grep -q '^reshape: ' "$box/plain.out" || fail "no error message in: $(cat "$box/plain.out")"
grep -q '^bits ' "$box/plain.out" || fail "no numbers in: $(cat "$box/plain.out")"
cmp "$box/plain.out" "$box/fast.out" || fail "other bits with our flags"

if grep -q 'build own_tests:' "$box/build/build.ninja"; then  # there is a doctest
  "$cmake" --build "$box/build" -j2 --target own_tests >"$box/log" 2>&1 || { cat "$box/log"; fail "no build of the gradient checks"; }
  "$box/build/own_tests" >"$box/log" || { cat "$box/log"; fail "the gradient checks"; }
fi

if [[ $way == FetchContent ]]; then
  expected=avx2
  ! grep -q '^flags.* avx512dq.* avx512cd .*avx512bw .*avx512vl ' /proc/cpuinfo || expected=avx512
  grep -qx "instruction set $expected" "$box/plain.out" || fail "expected $expected: $(cat "$box/plain.out")"
  GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F "$box/build/plain" | grep -x "instruction set avx2" >/dev/null || fail "AVX2 cannot be forced"
fi
if [[ $way == find_package ]]; then
  headers=$box/prefix/include/gradus
  other=$(find "$headers" -type f ! -name '*.h')
  [[ -z $other ]] || fail "installed, yet no header: $other"
  while read -r name; do
    [[ -f $box/prefix/include/$name ]] || fail "gradus.h includes <$name>, which is not installed"
  done < <(sed -n 's/^#include <\(gradus\/[^>]*\)>.*/\1/p' "$headers/gradus.h")
  # Every header alone, without any flag of ours.
  (cd "$box/prefix/include" && find gradus -name '*.h' | sort) | CXX="$cxx" BOX="$box" xargs -P2 -I{} bash -c \
    'echo "#include <{}>" | "$CXX" -std=c++20 -fsyntax-only -I"$BOX/prefix/include" -x c++ - || { echo "in {}"; exit 1; }' ||
    fail "an installed header does not compile by itself"
fi
case $way in
  find_package) needs=$build ;;
  add_subdirectory) needs=$box/build/gradus ;;
  FetchContent) needs=$box/build/_deps/gradus-build ;;
esac
status=0
bash "$source/tests/outside/old_cpu_test.sh" "$needs/cpu_check/cpu_needs.inc" "$box/build/plain" || status=$?
[[ $status -eq 0 || $status -eq 77 ]] || exit 1
echo "$way: $(tail -1 "$box/plain.out"), with and without gradus::fast"
