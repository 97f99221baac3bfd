// The part of report.html that reads the metrics and builds the page: heading, legend, figures, samples, table, command.
// The functions it uses are in train/report: scales.js, charts.js and figures.js.

/// A seed may have more digits than a JavaScript number, so its text is kept where the browser hands it over.
const metrics = JSON.parse(by_id('metrics').textContent,
  (key, value, context) => key === 'seed' && typeof value === 'number' ? context?.source ?? value : value);

const page = {
  runs: metrics.runs, names: short_names(metrics.runs), hidden: new Set(), charts: [], half_life: 0, point: point_at,
};

// ---- names ----

/// Splits at the commas outside brackets: "base=sgd(lr=1, momentum=0), rho=2" has two parts.
function split_options(text) {
  const parts = [''];
  let depth = 0;
  for (const c of text) {
    depth += (c === '(' || c === '[') - (c === ')' || c === ']');
    if (c === ',' && depth === 0) parts.push(''); else parts[parts.length - 1] += c;
  }
  return parts;
}

/// "adam(lr=0.001, eps=1e-8)" -> {name: "adam", options: Map(lr -> 0.001, ...)}
function read_spec(text) {
  const match = /^\s*([^(]*?)\s*(?:\((.*)\))?\s*$/s.exec(text);
  const pairs = split_options(match?.[2] ?? '').map((part) => part.match(/^\s*(\w+)\s*=\s*(.*?)\s*$/s)?.slice(1));
  return {name: match?.[1] || text, options: new Map(pairs.filter(Boolean))};
}

/// The optimizer's name; where it occurs more than once, with the options that differ; where none does, with a number.
function short_names(runs) {
  const specs = runs.map((run) => read_spec(run.optimizer));
  const names = specs.map(({name, options}) => {
    const kin = specs.filter((s) => s.name === name);
    const keys = new Set(kin.flatMap((s) => [...s.options.keys()]));
    const differing = [...keys].filter((key) => new Set(kin.map((s) => s.options.get(key))).size > 1);
    const said = differing.filter((key) => options.has(key)).map((key) => `${key} ${options.get(key)}`);
    return said.length ? `${name}, ${said.join(', ')}` : name;
  });
  return names.map((name, i) => names.indexOf(name) === names.lastIndexOf(name) ? name
    : `${name} #${names.slice(0, i + 1).filter((n) => n === name).length}`);
}

// ---- final figures ----

const of_last_epoch = new Set(['train_loss', 'test_loss', 'test_accuracy']);

/// The value of `key` that stands in the closing table, or null.
function final(run, key) {
  const value = of_last_epoch.has(key) ? run.epochs?.at(-1)?.[key] : run[key];
  return value ?? null;
}

/// Index of the run with the lowest (sign 1) or highest (sign -1) final value, or -1.
function best_run(key, sign) {
  let best = -1;
  page.runs.forEach((run, i) => {
    const v = final(run, key);
    if (is_number(v) && !run.diverged && (best < 0 || sign * v < sign * final(page.runs[best], key))) best = i;
  });
  return best;
}

const target_text = is_number(metrics.target) ? String(Number((100 * metrics.target).toPrecision(6))) + '\u00a0%' : 'target';

const show_bytes = (v) => is_number(v) ? String(Number(v.toPrecision(4))) : nothing;

const columns = [
  {key: 'train_loss', head: 'train loss', show: show_loss, best: 1},
  {key: 'test_loss', head: 'test loss', show: show_loss, best: 1},
  {key: 'test_accuracy', head: 'test accuracy', show: show_percent, best: -1},
  {key: 'time_to_target', head: `time to ${target_text}`, show: show_seconds, best: 1},
  {key: 'steps_to_target', head: `steps to ${target_text}`, show: show_count, best: 1},
  {key: 'gradient_evaluations', head: 'gradient evaluations', show: show_count},
  {key: 'state_bytes_per_parameter', head: 'state, bytes a parameter', show: show_bytes},
];

// ---- heading ----

function build_heading() {
  const n = page.runs.length;
  const words = 'Zero One Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve'.split(' ');
  const data = String(metrics.data ?? 'the data').replace(/\/+$/, '').split('/').at(-1) || 'the data';
  const subject = n === 0 ? 'Comparison' : n === 1 ? page.names[0] : `${words[n] ?? n} optimizers`;
  const title = `${subject} on ${data}`;
  by_id('title').textContent = title;
  document.title = `${title} \u2013 gradus compare`;
  by_id('finding').append(...finding());
  const epochs = Math.max(0, ...page.runs.map((run) => run.epochs?.length ?? 0));
  const settings = [['data', metrics.data], ['model', metrics.model], ['parameters', metrics.parameters],
    ['training images', metrics.train_images], ['test images', metrics.test_images], ['epochs', epochs || null],
    ['batch', metrics.batch], ['target', is_number(metrics.target) ? target_text : null], ['seed', metrics.seed],
    ['threads', metrics.threads]];
  for (const [name, value] of settings) {
    if (value === undefined || value === null || value === '') continue;
    const text = is_number(value) ? show_count(value) : String(value);
    by_id('settings').append(html('div', {}, html('dt', {}, name), html('dd', {}, text)));
  }
  by_id('footer').textContent =
    `Gradus ${metrics.gradus ?? ''}. Every number of this page, with all its digits, is in metrics.json beside it.`;
}

/// What happened, in a sentence or three.
function finding() {
  const name = (i) => html('b', {}, page.names[i]);
  const list = (runs) => runs.flatMap((i, k) => [k === 0 ? '' : k === runs.length - 1 ? ' and ' : ', ', name(i)]);
  const some = (test) => page.runs.map((_, i) => i).filter((i) => test(page.runs[i]));
  if (!page.runs.length) return ['No optimizer has finished yet.'];
  const parts = page.runs.length < 2 ? []
    : ['The same network, the same initial weights, the same batches in the same order; only the optimizer differs. '];
  const highest = best_run('test_accuracy', -1), fastest = best_run('time_to_target', 1);
  if (highest >= 0) {
    const share = show_percent(final(page.runs[highest], 'test_accuracy'));
    parts.push(name(highest), page.runs.length < 2 ? ' ends' : ' ends highest,', ` with ${share} of the test images right`);
  }
  if (fastest >= 0) {
    const run = page.runs[fastest];
    const steps = is_number(run.steps_to_target) ? ` and ${show_count(run.steps_to_target)} steps` : '';
    const only = page.runs.length < 2, same = fastest === highest;
    const reached = only ? ['it reached '] : same ? ['it is also first to reach '] : [name(fastest), ' is first to reach '];
    parts.push(highest >= 0 ? '; ' : '', ...reached, `${target_text} after ${show_seconds(run.time_to_target)}${steps}`);
  }
  if (highest >= 0 || fastest >= 0) parts.push('. ');
  const diverged = some((run) => run.diverged);
  const stopped = some((run) => run.finished === false && !run.diverged);
  if (diverged.length) parts.push(...list(diverged), ' diverged. ');
  if (stopped.length) parts.push(...list(stopped), stopped.length > 1 ? ' were' : ' was', ' stopped before the end. ');
  return parts;
}

// ---- legend ----

function build_legend() {
  if (!page.runs.length) return;
  const buttons = page.runs.map((run, i) => {
    const button = html('button', {type: 'button', 'aria-pressed': 'true', 'data-legend': i, title: run.optimizer});
    button.append(swatch(i), page.names[i]);
    button.onclick = () => toggle(i);
    button.onpointerenter = button.onfocus = () => bring_out(i);
    button.onpointerleave = button.onblur = () => bring_out(null);
    return button;
  });
  const all = html('button', {type: 'button', class: 'all', hidden: ''}, 'show all');
  all.onclick = () => { page.hidden.clear(); refresh(); };
  by_id('legend').append(...buttons, all);
}

function toggle(i) {
  if (!page.hidden.delete(i)) page.hidden.add(i);
  bring_out(null);
  refresh();
}

/// Fades every run but i; null fades none.
function bring_out(i) {
  const none = i === null || page.hidden.has(i);
  by_id('focus').textContent = none ? '' : `[data-curve]:not([data-curve="${i}"]) { opacity: .12; }`;
}

function refresh() {
  for (const button of document.querySelectorAll('#legend [data-legend]'))
    button.setAttribute('aria-pressed', String(!page.hidden.has(Number(button.dataset.legend))));
  document.querySelector('#legend .all').hidden = page.hidden.size === 0;
  for (const row of document.querySelectorAll('#final tbody tr'))
    row.classList.toggle('off', page.hidden.has(Number(row.dataset.row)));
  for (const chart of page.charts) chart.draw();
}

// ---- figures ----

function epoch_series(key) {
  return (i) => {
    const epochs = page.runs[i].epochs ?? [];
    return {x: epochs.map((e, k) => e.epoch ?? k + 1), y: epochs.map((e) => e[key] ?? null), raw: null};
  };
}

/// A curve over steps, or over the seconds of each step; smoothed unless `smoothed` is false.
function step_series(key, over_seconds = false, smoothed = true) {
  return (i) => {
    const steps = page.runs[i].steps ?? {};
    const raw = steps[key] ?? [];
    const values = smoothed ? smooth(raw, page.half_life) : raw;
    const haze = smoothed && page.half_life ? raw : null;
    if (!over_seconds) return {x: raw.map((_, k) => k + 1), y: values, raw: haze};
    const kept = raw.map((_, k) => k).filter((k) => is_number(steps.seconds?.[k]));
    return {x: kept.map((k) => steps.seconds[k]), y: kept.map((k) => values[k]), raw: haze && kept.map((k) => haze[k])};
  };
}

const schedule_varies = () => page.runs.some((run) => new Set((run.steps?.lr ?? []).filter(is_number)).size > 1);

function build_figures() {
  const epoch = {group: 'epoch', unit: 'epoch', whole: true, markers: true, at: (x) => `epoch ${x}`};
  const step = {group: 'step', unit: 'step', whole: true, log: true, at: (x) => `step ${show_count(x)}`};
  const second = {group: 'second', unit: 'seconds', log: true, at: show_seconds};
  const loss = {floor: 0, can_log: true, show: show_loss};
  const epoch_host = by_id('epoch-figures'), step_host = by_id('step-figures');
  const add = (host, spec) => page.charts.push(new Chart(page, spec, host));
  add(epoch_host, {...epoch, id: 'test-accuracy', title: 'Test accuracy', show: show_percent, percent: true, most: 1.004,
    caption: 'Share of the test images named correctly.', target: metrics.target, series: epoch_series('test_accuracy')});
  add(epoch_host, {...epoch, ...loss, id: 'test-loss', title: 'Test loss',
    caption: 'Mean cross-entropy over the test images.', series: epoch_series('test_loss')});
  add(epoch_host, {...epoch, ...loss, id: 'train-loss', title: 'Train loss',
    caption: 'Mean cross-entropy over the batches of the epoch.', series: epoch_series('train_loss')});
  add(step_host, {...step, ...loss, id: 'loss-steps', title: 'Loss over steps',
    caption: 'What a step is worth, whatever it costs.', series: step_series('loss')});
  add(step_host, {...second, ...loss, id: 'loss-seconds', title: 'Loss over seconds',
    caption: 'The same losses against the time they took.', series: step_series('loss', true)});
  add(step_host, {...step, ...loss, id: 'update-size', title: 'Size of the update relative to the weights', show: show_ratio,
    caption: 'Norm of the change over norm of the weights, \u2016\u0394w\u2016 / \u2016w\u2016, over all parameters.',
    series: step_series('update_norm')});
  if (!schedule_varies()) page.charts.at(-1).figure.classList.add('wide');
  else add(step_host, {...step, ...loss, id: 'learning-rate', title: 'Learning rate', show: show_ratio,
    caption: 'As the schedule set it.', series: step_series('lr', false, false)});
}

// ---- table ----

function build_table() {
  const heads = [{head: 'optimizer', key: null}, ...columns, {head: 'outcome', key: 'diverged'}].map((column) => {
    const button = html('button', {type: 'button'}, column.head);
    const cell = html('th', {scope: 'col'}, button);
    button.onclick = () => sort_table(cell, column);
    return cell;
  });
  by_id('final').append(html('thead', {}, html('tr', {}, ...heads)), html('tbody', {}, ...page.runs.map(table_row)));
}

function table_row(run, i) {
  const row = html('tr', {'data-row': i}, html('td', {}, html('div', {class: 'name'}, swatch(i), page.names[i]),
    html('div', {class: 'spec'}, run.optimizer)));
  for (const column of columns) {
    const value = final(run, column.key);
    const cell = html('td', {'data-run': i, 'data-metric': column.key, 'data-value': String(value)}, column.show(value));
    cell.title = value ?? 'no value';
    const best = column.best && page.runs.length > 1 ? best_run(column.key, column.best) : -1;
    if (!is_number(value)) cell.className = 'none';
    else if (best >= 0 && value === final(page.runs[best], column.key)) cell.className = 'best';
    row.append(cell);
  }
  const outcome = run.diverged ? 'diverged' : run.finished === false ? 'stopped early' : 'finished';
  row.append(html('td', {'data-run': i, 'data-metric': 'diverged', 'data-value': String(Boolean(run.diverged)),
    class: run.diverged ? 'alarm' : ''}, outcome));
  return row;
}

/// Sorts by a column, best first, and back to front the second time; the first column restores the order of the runs.
function sort_table(cell, column) {
  const body = document.querySelector('#final tbody');
  const [way, back] = column.best === -1 ? ['descending', 'ascending'] : ['ascending', 'descending'];
  const down = cell.getAttribute('aria-sort') === way;
  const key = (row) => {
    const i = Number(row.dataset.row);
    const value = column.key === null ? i : Number(final(page.runs[i], column.key) ?? NaN);
    return is_number(value) ? value * (column.best ?? 1) * (down ? -1 : 1) : Infinity;
  };
  const order = (a, b) => key(a) === key(b) ? a.dataset.row - b.dataset.row : key(a) - key(b);
  const rows = [...body.rows].sort(order);
  for (const head of document.querySelectorAll('#final th')) head.removeAttribute('aria-sort');
  cell.setAttribute('aria-sort', down ? back : way);
  body.append(...rows);
}

// ---- samples ----

/// Draws pixels as ink: 0 is bare paper, 255 is black. The style sheet inverts it on a dark page.
function draw_image(canvas, pixels) {
  const context = canvas.getContext('2d');
  const image = context.createImageData(canvas.width, canvas.height);
  pixels.forEach((v, k) => { image.data[4 * k + 3] = v ?? 0; });
  context.putImageData(image, 0, 0);
}

function build_samples() {
  const {images = [], labels = [], width, height} = metrics.samples ?? {};
  if (!images.length) { by_id('samples').remove(); return; }
  by_id('samples-lead').textContent =
    `${images.length} of the images, ${width} by ${height} pixels, each above its label. Ink is the value of a pixel.`;
  images.forEach((pixels, k) => {
    const canvas = html('canvas', {width, height, role: 'img', 'aria-label': `a ${labels[k] ?? 'sample'}`});
    draw_image(canvas, pixels);
    by_id('images').append(html('div', {}, canvas, String(labels[k] ?? '')));
  });
}

// ---- start ----

build_heading();
build_legend();
build_smoothing(Math.max(0, ...page.runs.map((run) => run.steps?.loss?.length ?? 0)));
build_figures();
build_table();
build_samples();
build_command(metrics.command);
document.body.style.setProperty('--haze', Math.min(0.2, 0.9 / page.runs.length));
draw_all();
