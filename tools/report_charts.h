// The part of report.html that draws: numbers to text, scales, thinning and smoothing of long curves, and the chart.
// It is JavaScript without any library; report_script.h builds the page with it.
#pragma once

#include <string_view>

namespace gradus::tools {

inline constexpr std::string_view report_charts = R"page('use strict';

// ---- elements ----

/// <tag ...attributes>children</tag>; a child is a node or a text, so nothing from the metrics is ever read as HTML.
function html(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// ---- numbers to text ----
const nothing = '\u2013';
const is_number = (v) => typeof v === 'number' && Number.isFinite(v);
const raised = '\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079';
const superscript = (n) => String(n).replace(/[-\d]/g, (c) => c === '-' ? '\u207b' : raised[c]);

function show_power(v, digits) {
  const [mantissa, exponent] = v.toExponential(digits).split('e');
  return (digits === 0 && mantissa === '1' ? '' : mantissa + '\u00d7') + '10' + superscript(Number(exponent));
}

function show_loss(v) {
  if (!is_number(v)) return nothing;
  const size = Math.abs(v);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return show_power(v, 2);
  return v.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 4);
}

const show_count = (v) => is_number(v) ? v.toLocaleString('en-US') : nothing;
const show_percent = (v) => is_number(v) ? (100 * v).toFixed(2) + ' %' : nothing;
const show_seconds = (v) => is_number(v) ? v.toFixed(v < 10 ? 2 : v < 1000 ? 1 : 0) + ' s' : nothing;

/// Text of a tick: as many decimals as the step between ticks needs.
function show_tick(v, step) {
  const size = Math.abs(v);
  if (size !== 0 && (size >= 1e6 || size < 1e-4)) return show_power(v, Number.isInteger(Math.log10(size)) ? 0 : 1);
  const decimals = Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));
  return v.toLocaleString('en-US', {minimumFractionDigits: decimals, maximumFractionDigits: decimals});
}

// ---- scales ----

function make_scale(low, high, from, to, log) {
  const f = log ? Math.log10 : (v) => v;
  const unit = (to - from) / ((f(high) - f(low)) || 1);
  return {
    at: (v) => from + (f(v) - f(low)) * unit,
    inverse: (p) => { const t = f(low) + (p - from) / unit; return log ? 10 ** t : t; },
  };
}

function linear_ticks(low, high, count, whole) {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  let step = power * ([1, 2, 5, 10].find((k) => k * power >= rough * 0.999) ?? 10);
  if (whole) step = Math.max(1, Math.round(step));
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; ++k) {
    const v = k * step + 0;  // never -0
    ticks.push({v, text: show_tick(v, step)});
  }
  return ticks;
}

/// Decades; between them 2 and 5 where there are few decades; every other or third decade where there are many.
function log_ticks(low, high, count) {
  const decades = Math.log10(high / low);
  if (decades < 0.7) return linear_ticks(low, high, count).filter((t) => t.v > 0);
  const factors = decades < 1.6 ? [1, 2, 5] : decades < 2.6 ? [1, 3] : [1];
  const every = Math.max(1, Math.ceil(decades / Math.max(2, count)));
  const ticks = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); ++e) {
    if (((e % every) + every) % every) continue;
    for (const f of factors) {
      const v = f * 10 ** e;
      if (v >= low * 0.999 && v <= high * 1.001) ticks.push({v, text: show_tick(v, 10 ** e)});
    }
  }
  return ticks;
}

/// The range of an axis. An explosion must not flatten every other curve, so values far beyond the bulk are cut off.
function y_range(values, log, floor) {
  const sorted = Float64Array.from(values.filter((v) => is_number(v) && (!log || v > 0))).sort();
  if (!sorted.length) return log ? [0.1, 1] : [0, 1];
  const quantile = (q) => sorted[Math.round(q * (sorted.length - 1))];
  let [low, high] = [sorted[0], sorted[sorted.length - 1]];
  if (log) {
    low = Math.max(low, quantile(0.01) / 100);
    high = Math.min(high, quantile(0.99) * 100);
    const room = Math.max(1.08, (high / low) ** 0.04);
    return [low / room, high * room];
  }
  const bulk = quantile(0.99);
  if (bulk > 0) high = Math.min(high, 6 * bulk);
  if (floor === 0 && low >= 0) return [0, high * 1.05 || 1];
  const room = (high - low) * 0.07 || Math.abs(high) * 0.05 || 1;
  return [low - room, high + room];
}

// ---- long curves ----

/// Exponential moving average over the values that are there, unbiased at the start; null stays null.
function smooth(values, half_life) {
  if (!half_life) return values;
  const keep = 2 ** (-1 / half_life);
  let sum = 0, weight = 0;
  return values.map((v) => {
    if (!is_number(v)) return null;
    sum = keep * sum + (1 - keep) * v;
    weight = keep * weight + (1 - keep);
    return sum / weight;
  });
}

/// Indices of about `most` points that show the same curve: of each bucket the lowest, the highest and the first gap.
function thin(values, most = 800) {
  const n = values.length;
  if (n <= most) return values.map((_, i) => i);
  const kept = new Set([0, n - 1]);
  const buckets = most / 2;
  for (let b = 0; b < buckets; ++b) {
    let lowest = -1, highest = -1, gap = -1;
    for (let i = Math.floor(b * n / buckets); i < Math.floor((b + 1) * n / buckets); ++i) {
      if (!is_number(values[i])) { if (gap < 0) gap = i; continue; }
      if (lowest < 0 || values[i] < values[lowest]) lowest = i;
      if (highest < 0 || values[i] > values[highest]) highest = i;
    }
    for (const i of [lowest, highest, gap]) if (i >= 0) kept.add(i);
  }
  return [...kept].sort((a, b) => a - b);
}

/// Index of the x nearest to `at`; xs rises.
function nearest(xs, at) {
  let low = 0, high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= at) low = middle; else high = middle;
  }
  return high >= 0 && Math.abs(xs[high] - at) < Math.abs(xs[low] - at) ? high : low;
}

// ---- runs as lines ----

const dashes = ['none', '7 4', '2 4', '10 4 2 4'];
const run_color = (i) => `var(--c${i % 8})`;
const run_dash = (i) => dashes[Math.floor(i / 8) % dashes.length];
const line_style = (i) => ({stroke: run_color(i), 'stroke-dasharray': run_dash(i)});

/// One of six shapes around (x, y), so that runs can be told apart without colour.
function marker(i, x, y, r) {
  const corners = [null, [[-1, -1], [1, -1], [1, 1], [-1, 1]], [[0, -1.3], [1.2, 0.9], [-1.2, 0.9]],
    [[0, -1.4], [1.4, 0], [0, 1.4], [-1.4, 0]], [[0, 1.3], [1.2, -0.9], [-1.2, -0.9]],
    [[-1.3, 0], [-0.65, -1.1], [0.65, -1.1], [1.3, 0], [0.65, 1.1], [-0.65, 1.1]]][i % 6];
  const style = {class: 'marker', fill: run_color(i)};
  if (!corners) return svg('circle', {cx: x, cy: y, r: r * 1.1, ...style});
  const points = corners.map(([u, v]) => `${(x + u * r).toFixed(1)},${(y + v * r).toFixed(1)}`).join(' ');
  return svg('polygon', {points, ...style});
}

function swatch(i) {
  return svg('svg', {class: 'swatch', viewBox: '0 0 26 12', 'aria-hidden': 'true'},
    svg('line', {x1: 1, y1: 6, x2: 25, y2: 6, 'stroke-width': 2.4, ...line_style(i)}), marker(i, 13, 6, 3.6));
}

// ---- the chart ----

/// A figure with one curve for each run. `spec`: title, caption, group (charts of a group share the crosshair), unit,
/// whole (x is a whole number), log, can_log, floor, show (y to text), at (x to text), markers, target,
/// series(i) -> {x, y, raw}. `page`: runs, names, hidden (a Set) and point(chart, x).
class Chart {
  constructor(page, spec, host) {
    Object.assign(this, {page, spec, log: Boolean(spec.log)});
    const label = `${spec.title}. ${spec.caption} Arrow keys read values.`;
    this.canvas = svg('svg', {role: 'img', tabindex: '0', 'aria-label': label});
    this.tip = html('div', {class: 'tip', hidden: ''});
    this.plot = html('div', {class: 'plot'}, this.canvas, this.tip);
    const head = html('div', {class: 'figure-head'}, html('h3', {}, spec.title));
    if (spec.can_log) head.append(this.scale_switch());
    this.figure = html('figure', {id: spec.id}, head, this.plot, html('figcaption', {}, spec.caption));
    host.append(this.figure);
    this.listen();
    this.read();
  }

  scale_switch() {
    const buttons = [['linear', false], ['log', true]].map(([text, log]) => {
      const button = html('button', {type: 'button', 'aria-pressed': String(log === this.log)}, text);
      button.onclick = () => {
        this.log = log;
        for (const b of buttons) b.setAttribute('aria-pressed', String(b === button));
        this.draw();
      };
      return button;
    });
    return html('div', {class: 'scale', role: 'group', 'aria-label': 'scale'}, ...buttons);
  }

  /// Takes the series anew, as after a change of smoothing.
  read() {
    this.series = this.page.runs.map((_, i) => this.spec.series(i));
  }

  shown() {
    return this.series.map((s, i) => ({...s, i})).filter((s) => s.x.length && !this.page.hidden.has(s.i));
  }

  draw() {
    const width = this.plot.clientWidth;
    if (!width) return;
    const height = Math.round(Math.max(220, Math.min(330, width * 0.62)));
    this.place(width, height);
    this.canvas.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.canvas.replaceChildren();
    this.draw_axes();
    this.draw_curves();
    this.cursor = svg('g');
    this.canvas.append(this.cursor);
    this.tip.hidden = true;
  }

  /// Finds ranges, ticks and margins. Diverged runs have no say in the range while another is shown.
  place(width, height) {
    const shown = this.shown();
    const sound = shown.filter((s) => !this.page.runs[s.i].diverged);
    const ruling = sound.length ? sound : shown;
    const values = ruling.flatMap((s) => s.y);
    let [low, high] = y_range(values, this.log, this.spec.floor);
    if (this.spec.most !== undefined) high = Math.min(high, this.spec.most);
    const last = Math.max(...ruling.map((s) => s.x[s.x.length - 1]));
    const first = this.spec.markers ? 1 : 0;
    const end = Number.isFinite(last) && last > first ? last : first + 1;
    this.ticks_y = this.log ? log_ticks(low, high, 5) : linear_ticks(low, high, 5);
    const left = 12 + 6.8 * Math.max(2, ...this.ticks_y.map((t) => t.text.length));
    this.box = {left, right: width - 10, top: 12, bottom: height - 36, low, high};
    const inset = this.spec.markers ? Math.min(24, (width - left) * 0.06) : 0;
    this.sx = make_scale(first, end, left + inset, width - 10 - inset, false);
    this.sy = make_scale(low, high, height - 36, 12, this.log);
    this.ticks_x = linear_ticks(first, end, Math.max(2, Math.min(7, width / 80)), this.spec.whole);
  }

  draw_axes() {
    const {left, right, top, bottom, low, high} = this.box;
    for (const t of this.ticks_y) {
      const y = this.sy.at(t.v);
      this.canvas.append(svg('line', {class: 'rule', x1: left, x2: right, y1: y, y2: y}),
        svg('text', {class: 'tick y', x: left - 8, y: y + 4}, t.text));
    }
    this.canvas.append(svg('line', {class: 'axis', x1: left, x2: right, y1: bottom, y2: bottom}));
    for (const t of this.ticks_x) {
      const x = this.sx.at(t.v);
      this.canvas.append(svg('line', {class: 'axis', x1: x, x2: x, y1: bottom, y2: bottom + 4}),
        svg('text', {class: 'tick x', x, y: bottom + 18}, t.text));
    }
    this.canvas.append(svg('text', {class: 'unit', x: right, y: bottom + 33}, this.spec.unit));
    const target = this.spec.target;
    if (is_number(target) && target > low && target < high) {
      const y = this.sy.at(target);
      this.canvas.append(svg('line', {class: 'target', x1: left, x2: right, y1: y, y2: y}),
        svg('text', {class: 'note', x: right, y: y + 14}, 'target'));
    }
  }

  draw_curves() {
    const {left, right, top, bottom} = this.box;
    const id = `clip-${this.spec.id}`;
    const frame = {x: left, y: top - 4, width: right - left, height: bottom - top + 8};
    this.canvas.append(svg('clipPath', {id}, svg('rect', frame)));
    const shown = this.shown();
    if (!shown.some((s) => s.y.some(is_number)))
      this.canvas.append(svg('text', {class: 'empty', x: (left + right) / 2, y: (top + bottom) / 2}, 'nothing to show'));
    const clipped = svg('g', {'clip-path': `url(#${id})`});
    for (const s of shown) if (s.raw) clipped.append(this.path(s, s.raw, 'raw'));
    for (const s of shown) clipped.append(this.path(s, s.y, 'curve'));
    this.canvas.append(clipped);
    for (const s of shown) this.canvas.append(this.marks(s));
  }

  path(s, values, name) {
    let d = '', pen_down = false;
    for (const i of thin(values)) {
      const v = values[i];
      if (!is_number(v) || (this.log && v <= 0)) { pen_down = false; continue; }
      d += `${pen_down ? 'L' : 'M'}${this.sx.at(s.x[i]).toFixed(1)} ${this.inside(v).toFixed(1)}`;
      pen_down = true;
    }
    return svg('path', {class: name, d, 'data-curve': s.i, ...line_style(s.i)});
  }

  /// Height of v, at most a little outside the frame: an SVG reader need not cope with 1e30 pixels.
  inside(v) {
    return Math.max(this.box.top - 40, Math.min(this.box.bottom + 40, this.sy.at(v)));
  }

  /// Markers of an epoch chart, and a cross where a diverged run breaks off.
  marks(s) {
    const {top, bottom} = this.box;
    const group = svg('g', {'data-curve': s.i});
    const drawable = (v) => is_number(v) && (!this.log || v > 0);
    const end = s.y.findLastIndex(drawable);
    s.y.forEach((v, k) => {
      if (!this.spec.markers || s.y.length > 30 || !drawable(v)) return;
      const y = this.sy.at(v);
      if (y >= top - 4 && y <= bottom + 4) group.append(marker(s.i, this.sx.at(s.x[k]), y, 4));
    });
    if (end >= 0 && this.page.runs[s.i].diverged) {
      const [x, y] = [this.sx.at(s.x[end]), Math.max(top, Math.min(bottom, this.sy.at(s.y[end])))];
      group.append(svg('path', {class: 'broke', stroke: run_color(s.i), d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8`},
        svg('title', {}, `${this.page.names[s.i]} diverged`)));
    }
    return group;
  }

  // ---- reading values ----

  listen() {
    const at = (event) => this.sx.inverse(event.clientX - this.canvas.getBoundingClientRect().left);
    this.canvas.onpointermove = this.canvas.onpointerdown = (event) => { if (this.sx) this.page.point(this, at(event)); };
    this.canvas.onpointerleave = this.canvas.onblur = () => this.page.point(this, null);
    this.canvas.onkeydown = (event) => {
      const way = {ArrowLeft: -1, ArrowRight: 1}[event.key];
      if (!way || !this.sx) return;
      event.preventDefault();
      const [left, right] = [this.sx.inverse(this.box.left), this.sx.inverse(this.box.right)];
      const stride = this.spec.markers ? 1 : (right - left) / 100;
      this.page.point(this, (this.here ?? (way > 0 ? left : right)) + way * stride);
    };
  }

  /// Draws the crosshair at x and a dot on each curve; `tell` opens the tooltip as well. x is null: clears them.
  point(x, tell) {
    this.cursor?.replaceChildren();
    this.tip.hidden = true;
    const shown = this.shown();
    this.here = null;
    if (x === null || !shown.length || !this.cursor) return;
    const end = Math.max(...shown.map((s) => s.x[s.x.length - 1]));
    this.here = Math.max(shown[0].x[0], Math.min(end, this.spec.whole ? Math.round(x) : x));
    const {left, right, top, bottom} = this.box;
    const px = Math.max(left, Math.min(right, this.sx.at(this.here)));
    this.cursor.append(svg('line', {class: 'cross', x1: px, x2: px, y1: top, y2: bottom}));
    const rows = shown.map((s) => this.value_at(s));
    for (const {i, k, v} of rows) {
      if (!is_number(v) || (this.log && v <= 0)) continue;
      const [cx, cy] = [this.sx.at(this.series[i].x[k]), this.sy.at(v)];
      if (cy < top - 4 || cy > bottom + 4) continue;
      this.cursor.append(svg('circle', {class: 'dot', r: 4, cx, cy, fill: run_color(i)}));
    }
    if (tell) this.show_tip(rows, px);
  }

  /// What run s shows at the crosshair: its nearest point, or nothing where it has ended.
  value_at(s) {
    const k = nearest(s.x, this.here);
    const last = s.x.length - 1;
    const slack = this.spec.whole || last === 0 ? 0 : (s.x[last] - s.x[0]) / last;
    const ended = this.here > s.x[last] + slack;
    return {i: s.i, k, v: ended ? null : s.y[k], raw: ended ? null : s.raw?.[k], ended};
  }

  show_tip(rows, px) {
    const best_first = this.spec.most === undefined ? 1 : -1;
    const rank = (row) => is_number(row.v) ? best_first * row.v : Infinity;
    rows.sort((a, b) => rank(a) === rank(b) ? a.i - b.i : rank(a) - rank(b));
    const table = html('table', {}, ...rows.map(({i, v, raw, ended}) => {
      const run = this.page.runs[i];
      const text = is_number(v) ? this.spec.show(v) : run.diverged ? 'diverged' : ended ? 'ended' : nothing;
      const row = html('tr', {'data-tip-run': i, 'data-value': String(is_number(v) ? v : null)}, html('td', {}, swatch(i)),
        html('td', {}, this.page.names[i]), html('td', {class: 'value'}, text));
      if (is_number(raw)) row.append(html('td', {class: 'rough'}, this.spec.show(raw)));
      return row;
    }));
    this.tip.replaceChildren(html('div', {class: 'at'}, this.spec.at(this.here)), table);
    this.tip.hidden = false;
    const width = this.tip.offsetWidth, room = this.plot.clientWidth;
    const beside = px + 14 + width <= room ? px + 14 : px - 14 - width;
    this.tip.style.left = `${Math.max(-8, Math.min(room - width + 8, beside))}px`;
  }
}
)page";

}  // namespace gradus::tools
