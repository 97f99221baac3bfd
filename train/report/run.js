// The part of a run's page that reads the run and builds the page: heading, curves, table, confusion matrix, worst answers.
// The functions it uses are in scales.js, charts.js and figures.js.

const run = JSON.parse(by_id('run').textContent);

/// Two curves: of training, and of validation.
const page = {
  runs: [{}, {}], names: ['training', 'validation'], hidden: new Set(), charts: [], half_life: 0, point: point_at,
};

function build_heading() {
  by_id('title').textContent = document.title = run.title;
  by_id('finding').textContent = run.finding;
  for (const [name, value] of run.settings)
    by_id('settings').append(html('div', {}, html('dt', {}, name), html('dd', {}, value)));
  by_id('footer').textContent = `Gradus ${run.gradus}. Every number of this page, with all its digits, is in its source.`;
}

// ---- curves ----

/// A curve over the rows; null where a row has no such number.
const over_rows = (value) => ({x: run.rows.map((r) => r[run.x]), y: run.rows.map(value), raw: null});
const no_curve = {x: [], y: [], raw: null};
const of_training = (series) => (i) => i === 0 ? series() : no_curve;

function step_losses() {
  const {every, loss} = run.steps;
  return {x: loss.map((_, k) => (k + 1) * every), y: smooth(loss, page.half_life), raw: page.half_life ? loss : null};
}

function build_figures() {
  const row = {group: 'epoch', unit: run.x, whole: true, markers: true, show: show_loss, at: (x) => `${run.x} ${show_count(x)}`};
  const step = {group: 'step', unit: 'step', whole: true, show: show_loss, can_log: true, at: (x) => `step ${show_count(x)}`};
  const add = (spec) => page.charts.push(new Chart(page, spec, by_id('figures')));
  add({...row, id: 'loss', title: 'Loss', can_log: true, caption: 'Of training, the mean since the row before, and of validation.',
    series: (i) => over_rows((r) => i === 0 ? r.train_loss : r.validation_loss)});
  run.metrics.forEach((name, m) => add({...row, id: `metric-${m}`, title: name, caption: 'Of validation.',
    series: (i) => i === 1 ? over_rows((r) => r.metrics[m] ?? null) : no_curve}));
  page.names.forEach((name, i) => by_id('names').append(html('span', {}, swatch(i), name)));
  const average = run.steps.every > 1 ? `The mean of ${run.steps.every} steps at a time.` : 'Each step, one batch.';
  add({...step, id: 'loss-steps', title: 'Loss over steps', log: true, caption: average, series: of_training(step_losses)});
  if (new Set(run.rows.map((r) => r.lr)).size > 1)
    add({...row, id: 'learning-rate', title: 'Learning rate', can_log: true, show: show_ratio, caption: 'As the schedule set it.',
      series: of_training(() => over_rows((r) => r.lr))});
}

// ---- tables ----

function build_rows() {
  const columns = [
    ['epoch', (r) => r.epoch, show_count], ['step', (r) => r.step, show_count], ['train loss', (r) => r.train_loss, show_loss],
    ['validation loss', (r) => r.validation_loss, show_loss],
    ...run.metrics.map((name, m) => [name, (r) => r.metrics[m] ?? null, show_loss]),
    ['lr', (r) => r.lr, show_ratio], ['time', (r) => r.seconds, show_seconds],
  ];
  const head = columns.map(([name]) => html('th', {scope: 'col'}, name));
  const best = run.rows.findLastIndex((r) => r.best);
  const body = run.rows.map((r, i) => {
    const cells = columns.map(([name, value, show]) =>
      html('td', {'data-row': i, 'data-column': name, 'data-value': String(value(r))}, show(value(r))));
    return html('tr', i === best ? {class: 'best'} : {}, ...cells, html('td', {}, i === best ? 'best' : ''));
  });
  by_id('rows').append(html('thead', {}, html('tr', {}, ...head, html('th', {}))), html('tbody', {}, ...body));
}

function build_confusion() {
  if (!run.confusion) { by_id('confusion').remove(); return; }
  const {classes, counts} = run.confusion;
  const numbers = [...Array(classes).keys()];
  const head = html('tr', {}, html('th', {}), ...numbers.map((c) => html('th', {scope: 'col'}, String(c))));
  const body = numbers.map((t) => {
    const row = counts.slice(t * classes, (t + 1) * classes);
    const all = row.reduce((a, b) => a + b, 0) || 1;
    const cells = row.map((n, c) => {
      const cell = html('td', {'data-count': n, title: `${n} of class ${t} called ${c}`}, n ? show_count(n) : '');
      const shade = `color-mix(in srgb, var(${c === t ? '--c0' : '--c1'}) ${(70 * n / all).toFixed(1)}%, transparent)`;
      if (n) cell.style.background = shade;
      return cell;
    });
    return html('tr', {}, html('th', {scope: 'row'}, String(t)), ...cells);
  });
  by_id('counts').append(html('thead', {}, head), html('tbody', {}, ...body));
}

function build_worst() {
  if (!run.worst?.length) { by_id('worst').remove(); return; }
  for (const w of run.worst) {
    const word = (v) => Number.isInteger(v) ? String(v) : show_ratio(v);
    const share = is_number(w.confidence) ? ` (${show_percent(w.confidence)})` : '';
    const said = is_number(w.answer) ? `${word(w.answer)}${share}, not ${word(w.target)}` : `loss ${show_loss(w.loss)}`;
    const image = w.image ? [html('img', {src: w.image, alt: `item ${w.item}`})] : [];
    by_id('items').append(html('div', {'data-loss': w.loss}, ...image, html('b', {}, `#${w.item}`), html('span', {}, said)));
  }
}

build_heading();
build_smoothing(run.steps.loss.length);
build_figures();
build_rows();
build_confusion();
build_worst();
build_command(run.command);
document.body.style.setProperty('--haze', 0.25);
draw_all();
