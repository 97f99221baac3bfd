#!/usr/bin/env bash
# run_page_test.sh EXAMPLE: the page that --report writes, in headless Chromium with the network off: it is drawn to its end,
# without a NaN, with the rows' numbers that --json has, every validation item in the confusion matrix, and 24 images.
# Exit: 0 right, 1 not, 77 skipped because there is no Chromium.
set -euo pipefail
example=$1
. "$(dirname "$0")/chromium.sh"
"$example" --quick --report "$work/run.html" --json "$work/run.json" >"$work/said"
dump_dom "$work/run.html" "$work/dom.html"
fail() { echo "FAILED: $1"; exit 1; }
grep -q '<body[^>]* data-ready="1"' "$work/dom.html" || fail "the page's script did not finish"
! grep -E '(d|points|x|y|x1|x2|y1|y2|cx|cy|width|height)="[^"]*(NaN|Infinity|undefined)' "$work/dom.html" || fail "NaN is drawn"
grep -q 'class="curve" d="M' "$work/dom.html" || fail "there is no curve"
all_of() { grep -oE "$1=\"[^\"]*\"" "$work/dom.html" | cut -d '"' -f 2; }
items=$(all_of data-count | awk '{ sum += $1 } END { print sum }')
[[ $items -eq 400 ]] || fail "$items items are in the confusion matrix, not 400"
[[ $(grep -o '<img src="data:image/png;base64,' "$work/dom.html" | wc -l) -eq 24 ]] || fail "there are not 24 images"
value=$(grep -oE '"value":[^,}]*' "$work/run.json" | cut -d : -f 2)
grep -qF "data-column=\"accuracy\" data-value=\"$value\"" "$work/dom.html" || fail "accuracy $value is not in the table"
echo "the page of a run has its numbers"
