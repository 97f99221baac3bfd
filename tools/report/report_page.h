// The text of report.html: its frame and its style sheet. Its script is in report_scales.h, report_charts.h and
// report_script.h.
#pragma once

#include <string_view>

namespace gradus::tools {

// The policy forbids the page every request, whatever the metrics hold.
inline constexpr std::string_view report_head = R"page(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>gradus compare</title>
<style>
)page";

// Eight colours that stay apart with normal, red-blind and green-blind sight: the least OKLab distance is about 0.1 in
// each (Machado et al. 2009 gives the simulation). From the ninth run on they return with a dash pattern.
inline constexpr std::string_view report_style = R"page(
:root {
  --paper: #fdfcf9; --raised: #ffffff; --wash: #f4f2ec; --rule: #e4e1d9; --ink: #22211f; --soft: #66635d; --faint: #98948b;
  --link: #1a62c8; --alarm: #b3261e;
  --c0: #1a62c8; --c1: #c4320c; --c2: #178068; --c3: #c99500; --c4: #6f237a; --c5: #32302c; --c6: #55b1eb; --c7: #ef7fa8;
  --serif: Charter, "Bitstream Charter", "Iowan Old Style", "Palatino Linotype", Palatino, "TeX Gyre Pagella",
    "Source Serif 4", Georgia, "DejaVu Serif", serif;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, Inter, "Noto Sans", "Helvetica Neue", Arial, sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --raised: #1e2125; --ink: #e9e6df; --soft: #a5a29a; --faint: #77756f; --rule: #2d3035; --wash: #1c1f23;
    --link: #7db2ff; --alarm: #ff8a80;
    --c0: #4486d6; --c1: #f0752d; --c2: #19b58f; --c3: #dcc72e; --c4: #b8608c; --c5: #fff1d8; --c6: #76e3ff; --c7: #bc98ed;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.55 var(--sans);
  font-variant-numeric: tabular-nums; }
main { max-width: 1180px; margin: 0 auto; padding: 56px 32px 40px; }
h1 { font: 500 38px/1.15 var(--serif); letter-spacing: -.012em; margin: 0 0 14px; overflow-wrap: anywhere; }
h2 { font: 500 22px/1.3 var(--serif); margin: 0; }
.over { margin: 0 0 10px; color: var(--soft); font-size: 13px; letter-spacing: .02em; }
.finding { max-width: 46em; margin: 0; font: 17.5px/1.55 var(--serif); color: var(--ink); overflow-wrap: anywhere; }
.finding b { font-weight: 600; }
.lead { max-width: 62em; margin: 4px 0 0; color: var(--soft); font-size: 13.5px; }
#settings { display: flex; flex-wrap: wrap; gap: 14px 34px; margin: 28px 0 0; padding: 16px 0 0;
  border-top: 1px solid var(--rule); }
#settings dt { color: var(--soft); font-size: 12px; }
#settings dd { margin: 0; font-size: 14.5px; overflow-wrap: anywhere; }
section { margin-top: 52px; }
.section-head { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: 6px 24px; }

#legend { position: sticky; top: 0; max-height: 112px; overflow-y: auto; z-index: 5;
  display: flex; flex-wrap: wrap; align-items: center; gap: 2px 6px;
  margin: 30px -32px 0; padding: 9px 24px; background: color-mix(in srgb, var(--paper) 93%, transparent);
  backdrop-filter: blur(6px); border-bottom: 1px solid var(--rule); }
#legend:empty { display: none; }
button { font: inherit; color: inherit; background: none; border: 0; cursor: pointer; }
button:focus-visible, svg:focus-visible, input:focus-visible { outline: 2px solid var(--link); outline-offset: 2px;
  border-radius: 4px; }
#legend button { display: flex; align-items: center; gap: 8px; padding: 4px 9px; border-radius: 6px; font-size: 14px;
  white-space: nowrap; }
#legend button:hover { background: var(--wash); }
#legend button[aria-pressed="false"] { color: var(--faint); text-decoration: line-through; }
#legend button[aria-pressed="false"] svg { opacity: .3; }
#legend small { color: var(--soft); font-size: 12.5px; }
#legend .all { margin-left: auto; color: var(--link); font-size: 13px; }
#legend .all[hidden] { display: none; }
svg.swatch { width: 26px; height: 12px; flex: none; }

.grid { display: grid; gap: 34px 40px; margin-top: 20px; }
.three { grid-template-columns: repeat(3, minmax(0, 1fr)); }
.two { grid-template-columns: repeat(2, minmax(0, 1fr)); }
figure { margin: 0; min-width: 0; }
figure.wide { grid-column: 1 / -1; }
.figure-head { display: flex; align-items: baseline; justify-content: space-between; gap: 12px; min-height: 26px; }
.figure-head h3 { margin: 0; font: 600 14.5px/1.4 var(--sans); }
figcaption { margin-top: 4px; color: var(--soft); font: 13px/1.5 var(--serif); }
.scale { display: flex; font-size: 12.5px; color: var(--soft); }
.scale button { padding: 1px 7px; border-radius: 4px; }
.scale button[aria-pressed="true"] { color: var(--ink); background: var(--wash); }
.slider { display: flex; align-items: center; gap: 10px; color: var(--soft); font-size: 13px; }
.slider input { width: 130px; accent-color: var(--soft); }
.slider output { min-width: 8.5em; }

.plot { position: relative; }
.plot > svg { display: block; width: 100%; touch-action: pan-y; cursor: crosshair; overflow: visible; }
.tick { fill: var(--soft); font-size: 11.5px; }
.tick.x { text-anchor: middle; }
.tick.y { text-anchor: end; }
.unit { fill: var(--soft); font-size: 11.5px; font-style: italic; text-anchor: end; }
.rule { stroke: var(--rule); stroke-width: 1; shape-rendering: crispEdges; }
.axis { stroke: var(--faint); stroke-width: 1; shape-rendering: crispEdges; }
.target { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 1 4; stroke-linecap: round; }
.note { fill: var(--soft); font-size: 11px; text-anchor: end; paint-order: stroke; stroke: var(--paper); stroke-width: 3;
  }
.empty { fill: var(--faint); font-size: 13px; text-anchor: middle; }
.curve { fill: none; stroke-width: 1.7; stroke-linejoin: round; stroke-linecap: round; }
.raw { fill: none; stroke-width: .8; opacity: var(--haze, .15); }
.marker { stroke: var(--paper); stroke-width: 1; }
.broke { stroke-width: 2; fill: none; stroke-linecap: round; }
.cross { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3; pointer-events: none; }
.dot { stroke: var(--paper); stroke-width: 1.5; pointer-events: none; }
[data-curve] { transition: opacity .12s; }
.tip { position: absolute; top: 4px; z-index: 4; pointer-events: none; padding: 8px 11px; border: 1px solid var(--rule);
  border-radius: 7px; background: color-mix(in srgb, var(--raised) 95%, transparent); box-shadow: 0 4px 18px rgb(0 0 0 / .1);
  font-size: 12.5px; line-height: 1.5; white-space: nowrap; }
.tip[hidden] { display: none; }
.tip .at { color: var(--soft); margin-bottom: 3px; }
.tip table { border-collapse: collapse; }
.tip td { padding: 0 0 0 9px; }
.tip td:first-child { padding: 0; }
.tip td.value { text-align: right; font-weight: 600; }
.tip td.rough { text-align: right; color: var(--soft); }
.tip svg.swatch { width: 18px; vertical-align: -1px; }

#images { display: grid; grid-template-columns: repeat(20, minmax(0, 1fr)); gap: 12px; margin-top: 18px;
  max-width: 1116px; }
#images div { text-align: center; color: var(--soft); font-size: 12px; line-height: 1.7; }
#images canvas { display: block; width: 100%; image-rendering: pixelated; background: var(--wash); border-radius: 3px; }
@media (prefers-color-scheme: dark) { #images canvas { background: #e3e0d6; filter: invert(1); } }

.scroll { overflow-x: auto; margin-top: 14px; }
#final { width: 100%; border-collapse: collapse; font-size: 14px; border-top: 1.5px solid var(--ink);
  border-bottom: 1.5px solid var(--ink); }
#final th { padding: 8px 0 8px 18px; font-weight: 500; font-size: 12.5px; line-height: 1.35; color: var(--soft);
  text-align: right;
  vertical-align: bottom; border-bottom: 1px solid var(--faint); }
#final th button { padding: 0; text-align: inherit; line-height: inherit; }
#final th button:hover { color: var(--ink); }
#final th[aria-sort] button { color: var(--ink); text-decoration: underline; text-underline-offset: 4px; }
#final td { padding: 9px 0 9px 18px; text-align: right; white-space: nowrap; vertical-align: top;
  border-top: 1px solid var(--rule); }
#final tbody tr:first-child td { border-top: 0; }
#final th:first-child, #final td:first-child { padding-left: 0; text-align: left; white-space: normal; }
#final td:first-child { min-width: 250px; }
#final .name { display: flex; align-items: center; gap: 9px; }
#final .spec { margin: 1px 0 0 35px; color: var(--soft); font: 11.5px/1.45 var(--mono); overflow-wrap: anywhere; }
#final td.best { font-weight: 650; }
#final td.none { color: var(--faint); }
#final td.alarm { color: var(--alarm); }
#final tr.off td { opacity: .38; }

.command { display: flex; align-items: flex-start; gap: 12px; margin-top: 14px; padding: 13px 13px 13px 18px;
  border-radius: 8px; background: var(--wash); }
.command code { flex: 1; min-width: 0; padding: 3px 0; font: 13px/1.6 var(--mono); white-space: pre-wrap;
  overflow-wrap: anywhere; }
.command button { flex: none; min-width: 74px; padding: 4px 13px; border: 1px solid var(--rule); border-radius: 6px;
  background: var(--raised); font-size: 13px; }
.command button:hover { border-color: var(--faint); }
footer { margin-top: 44px; padding-top: 14px; border-top: 1px solid var(--rule); color: var(--soft); font-size: 12.5px; }

@media (max-width: 900px) {
  .three, .two { grid-template-columns: minmax(0, 1fr); }
  #images { grid-template-columns: repeat(10, minmax(0, 1fr)); gap: 8px; }
}
@media (max-width: 600px) {
  main { padding: 30px 18px 28px; }
  h1 { font-size: 29px; }
  .finding { font-size: 16px; }
  section { margin-top: 40px; }
  #settings { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 12px 16px; }
  #legend { flex-wrap: nowrap; overflow-x: auto; margin: 24px -18px 0; padding: 7px 10px; scrollbar-width: none; }
  #final td:first-child { min-width: 190px; }
}
@media print {
  #legend { position: static; }
  .scale, .slider, .command button { display: none; }
  figure, tr { break-inside: avoid; }
}
)page";

inline constexpr std::string_view report_body = R"page(</style>
<style id="focus"></style>
</head>
<body>
<main>
<header>
  <p class="over">gradus compare</p>
  <h1 id="title">Comparison of optimizers</h1>
  <p class="finding" id="finding"></p>
  <noscript><p>This page draws its figures with JavaScript, which is off here. See metrics.json.</p></noscript>
  <dl id="settings"></dl>
</header>
<nav id="legend" aria-label="Show or hide optimizers"></nav>
<section>
  <h2>Epoch by epoch</h2>
  <p class="lead">Measured at the end of each epoch. Train loss is the mean over the epoch's batches, so it lags behind
    test loss while the network is still learning fast.</p>
  <div class="grid three" id="epoch-figures"></div>
</section>
<section>
  <div class="section-head">
    <h2>Step by step</h2>
    <label class="slider">smoothing <input type="range" id="smoothing" min="0" max="9" step="1">
      <output id="half-life" for="smoothing"></output></label>
  </div>
  <p class="lead">Every training step, one batch each. Firm lines are moving averages, the haze behind them the single
    batches. Seconds count training only, not testing.</p>
  <div class="grid two" id="step-figures"></div>
</section>
<section>
  <h2>Final figures</h2>
  <p class="lead">After the last epoch. The best of a column is bold; a heading sorts. Point at a number to see all its
    digits.</p>
  <div class="scroll"><table id="final"></table></div>
</section>
<section id="samples">
  <h2>What the network sees</h2>
  <p class="lead" id="samples-lead"></p>
  <div id="images"></div>
</section>
<section id="reproduce">
  <h2>Reproduce it</h2>
  <div class="command"><code id="command"></code><button type="button" id="copy">Copy</button></div>
</section>
<footer id="footer"></footer>
</main>
<script type="application/json" id="metrics">)page";

inline constexpr std::string_view report_between = "</script>\n<script>\n";
inline constexpr std::string_view report_end = "</script>\n</body>\n</html>\n";

}  // namespace gradus::tools
