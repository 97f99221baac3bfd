// The part that every page of figures shares: one crosshair for charts of a group, smoothing, the command, drawing.
// A page defines `page`: runs, names, hidden, charts, half_life and point (charts.js).

const by_id = (id) => document.getElementById(id);

/// The crosshair of `chart` and of the charts with the same x axis.
function point_at(chart, x) {
  for (const other of page.charts) if (other.spec.group === chart.spec.group) other.point(x, other === chart);
}

/// The slider of the smoothing, set to what suits curves of `length` points.
function build_smoothing(length) {
  const slider = by_id('smoothing');
  const apply = () => {
    page.half_life = Number(slider.value) === 0 ? 0 : 2 ** (Number(slider.value) - 1);
    const steps = page.half_life === 1 ? 'step' : 'steps';
    by_id('half-life').textContent = page.half_life ? `half-life ${page.half_life} ${steps}` : 'off';
  };
  slider.value = Math.max(0, Math.min(9, Math.round(Math.log2(Math.max(1, length / 50)))));
  slider.oninput = () => {
    apply();
    for (const chart of page.charts) if (chart.spec.group !== 'epoch') { chart.read(); chart.draw(); }
  };
  apply();
}

function build_command(command) {
  if (!command) { by_id('reproduce').remove(); return; }
  by_id('command').textContent = command;
  const button = by_id('copy');
  button.onclick = async () => {
    const done = await copy_text(command);
    button.textContent = done ? 'Copied' : 'Press Ctrl+C';
    setTimeout(() => { button.textContent = 'Copy'; }, 1800);
  };
}

/// Copies; where the browser forbids it for a local file, leaves the command selected and says no.
async function copy_text(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* the older way follows */ }
  getSelection().selectAllChildren(by_id('command'));
  return document.execCommand('copy');
}

/// Draws all charts, now and whenever the width has changed, and says that the page is there.
function draw_all() {
  for (const chart of page.charts) chart.draw();
  let drawn_width = document.body.clientWidth;
  new ResizeObserver(() => {
    if (document.body.clientWidth === drawn_width) return;
    drawn_width = document.body.clientWidth;
    for (const chart of page.charts) chart.draw();
  }).observe(document.body);
  document.body.dataset.ready = '1';
}
