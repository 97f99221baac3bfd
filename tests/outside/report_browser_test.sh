#!/usr/bin/env bash
# report_browser_test.sh REPORT_DIR REPORT_FIGURES: opens REPORT_DIR/report.html in headless Chromium with the network off
# and lets the program REPORT_FIGURES (tests/tools/report_figures.cpp) compare every final figure with REPORT_DIR/metrics.json.
# Exit: 0 equal, 1 not, 2 wrong use, 77 skipped because there is no Chromium.
set -euo pipefail

if [ $# -ne 2 ]; then
  echo "usage: $0 REPORT_DIR REPORT_FIGURES" >&2
  exit 2
fi
folder=$(cd "$1" && pwd)
figures=$2
for file in "$folder/report.html" "$folder/metrics.json" "$figures"; do
  if [ ! -f "$file" ]; then echo "report_browser_test: $file is missing" >&2; exit 2; fi
done

. "$(dirname "$0")/chromium.sh"

# The same page, used: the pointer at the right end of the accuracy figure, then a click on the first legend entry.
cp "$folder/report.html" "$work/used.html"
cat >>"$work/used.html" <<'SCRIPT'
<script>
const figure = document.querySelector('#test-accuracy .plot > svg');
const frame = figure.getBoundingClientRect();
figure.dispatchEvent(new PointerEvent('pointermove', {clientX: frame.right - 12, clientY: frame.top + 60, bubbles: true}));
const hovered = document.querySelector('#test-accuracy .tip').cloneNode(true);
hovered.id = 'hovered';
document.body.append(hovered);
document.querySelector('#legend [data-legend="0"]')?.click();
</script>
SCRIPT

dump_dom "$folder/report.html" "$work/dom.html"
dump_dom "$work/used.html" "$work/used_dom.html"
"$figures" "$work/dom.html" "$folder/metrics.json" "$work/used_dom.html"
