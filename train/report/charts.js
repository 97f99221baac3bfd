// The part of report.html that draws: how a run looks as a line, and the chart with its axes, crosshair and tooltip.
// What it computes with is in scales.js, and page.js builds the page with it.

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
/// whole (x is a whole number), percent, log, can_log, floor, show (y to text), at (x to text), markers, target,
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
    this.canvas.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.canvas.replaceChildren();
    this.tip.hidden = true;
    this.cursor = this.sx = null;
    if (!this.shown().some((s) => s.y.some(is_number))) {
      this.canvas.append(svg('text', {class: 'empty', x: width / 2, y: height / 2}, 'nothing to show'));
      return;
    }
    this.place(width, height);
    this.draw_axes();
    this.draw_curves();
    this.cursor = svg('g');
    this.canvas.append(this.cursor);
  }

  /// Finds ranges, ticks and margins. Diverged runs have no say in the range while another is shown.
  place(width, height) {
    const shown = this.shown();
    const sound = shown.filter((s) => !this.page.runs[s.i].diverged);
    const ruling = sound.length ? sound : shown;
    const values = ruling.flatMap((s) => s.y);
    let [low, high] = y_range(values, this.log, this.spec.floor);
    if (this.spec.most !== undefined) high = Math.min(high, this.spec.most);
    const last = Math.max(...ruling.map((s) => s.x[s.y.findLastIndex(is_number)] ?? 0)) || 1;
    const [first, end] = !this.spec.markers ? [0, last] : last > 1 ? [1, last] : [0.5, 1.5];
    this.ticks_y = this.log ? log_ticks(low, high, 5) : linear_ticks(low, high, 5);
    if (this.spec.percent) for (const t of this.ticks_y) t.text = show_tick(100 * t.v, 100 * t.step) + '\u00a0%';
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

  /// Beside the crosshair, over a neighbouring figure if need be; below the plot where the window is too narrow.
  place_tip(px) {
    const width = this.tip.offsetWidth, from = this.plot.getBoundingClientRect().left;
    const room = document.documentElement.clientWidth - 6;
    const [right, left] = [px + 16, px - 16 - width];
    const beside = from + right + width <= room ? right : from + left >= 6 ? left : null;
    this.tip.style.top = beside === null ? `${this.plot.clientHeight - 8}px` : '';
    this.tip.style.left = `${beside ?? Math.max(6 - from, Math.min(room - from, px + width / 2) - width)}px`;
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
    this.place_tip(px);
  }
}
