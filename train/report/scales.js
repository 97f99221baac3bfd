'use strict';

// The part of report.html that knows no page: elements, numbers to text, scales, and thinning and smoothing of long curves.
// It is JavaScript without any library; charts.js draws with it.

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

/// Three digits whatever the size, for ratios and rates.
function show_ratio(v) {
  if (!is_number(v)) return nothing;
  const size = Math.abs(v);
  return size !== 0 && (size < 1e-4 || size >= 1e4) ? show_power(v, 2) : v.toPrecision(3);
}

const show_count = (v) => is_number(v) ? v.toLocaleString('en-US') : nothing;
const show_percent = (v) => is_number(v) ? (100 * v).toFixed(2) + '\u00a0%' : nothing;
const show_seconds = (v) => is_number(v) ? v.toFixed(v < 10 ? 2 : v < 1000 ? 1 : 0) + '\u00a0s' : nothing;

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
    ticks.push({v, step, text: show_tick(v, step)});
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
