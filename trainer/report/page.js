'use strict';
// The page's sections, from the report's JSON. Whatever was read from a file becomes text, never markup.

const kReport = JSON.parse(document.getElementById('report').textContent);
const kMain = document.getElementById('main');

// What people call the stages of training, in their order.
const kStages = { pretrain: 'Pretraining', supervised: 'Fine-tuning', reward: 'Reward model', dpo: 'DPO', ppo: 'PPO and GRPO', '': 'Runs' };

// Known numbers: [name, what it is, how it is written]; others follow under their names.
const kMetrics = [
  ['loss', 'Loss, nats a token', 'plain'], ['valid_loss', 'Held-out loss, nats a token', 'plain'],
  ['reward', 'Reward, mean score of an answer', 'plain'], ['kl', 'KL to the reference, nats an answer', 'plain'],
  ['entropy', 'Entropy, nats a token', 'plain'], ['clip_fraction', 'Clipped ratios', 'share'],
  ['response_length', 'Length of an answer, tokens', 'plain'], ['ended', 'Answers that came to their end', 'share'],
  ['value_loss', 'Loss of the value model', 'plain'], ['accuracy', 'Held-out pairs told apart', 'share'],
  ['kl_coefficient', 'Coefficient of KL', 'plain'], ['length_correlation', 'Correlation of reward and length', 'plain'],
  ['grad_norm', 'Gradient norm', 'plain'], ['value_grad_norm', 'Gradient norm of the value model', 'plain'], ['learning_rate', 'Learning rate', 'plain'],
  ['tokens_per_second', 'Tokens a second', 'count'], ['mfu', 'MFU, share of the hardware\'s peak', 'share'],
  ['memory_bytes', 'Memory, the largest of the ranks', 'bytes'], ['step_seconds', 'Time of a step', 'seconds'],
];
const kFacts = [['step', 'Steps', 'count'], ['tokens', 'Tokens', 'count'], ['training_seconds', 'Training time', 'seconds']];
const kTimes = 'seconds_', kSources = 'reward_';

const spoken = (name) => name[0].toUpperCase() + name.slice(1).replaceAll('_', ' ');
const colourOf = (index) => kColours[index % kColours.length];

function section(title) {
  const id = 'part' + kMain.children.length;
  element(document.getElementById('contents'), 'a', { href: '#' + id, textContent: title });
  const made = element(kMain, 'section', { id });
  element(made, 'h2', { textContent: title });
  return made;
}

// `rows`: lists of cells; numbers are aligned to the right. Returns the rows' elements.
function drawTable(parent, heads, rows) {
  const table = element(element(parent, 'div', { className: 'scroll' }), 'table', {});
  const numbers = heads.map((_, i) => rows.some((row) => typeof row[i] === 'object'));
  const head = element(element(table, 'thead', {}), 'tr', {});
  heads.forEach((text, i) => element(head, 'th', { textContent: text, className: numbers[i] ? 'number' : '' }));
  const body = element(table, 'tbody', {});
  return rows.map((row) => {
    const line = element(body, 'tr', {});
    row.forEach((cell, i) =>
      element(line, 'td', { textContent: cell !== null && typeof cell === 'object' ? cell.text : cell ?? '', className: numbers[i] ? 'number' : '' }));
    return line;
  });
}
const number = (value, format) => ({ text: typeof value === 'number' && !Number.isNaN(value) ? kFormats[format](value) : '-' });

// Names that some of the runs have, but not those of `known` and not where the time went.
function otherNames(runs, known) {
  const names = new Set(runs.flatMap((run) => Object.keys(run.final)));
  return [...names].filter((name) => !known.some((one) => one[0] === name) && !name.startsWith(kTimes)).sort();
}

// A rubric's sources and the reward model, of which `reward` is the sum.
const isSource = (run, name) => 'reward' in run.final && name.startsWith(kSources);

function drawFinals(parent, runs) {
  const known = [...kFacts, ...kMetrics];
  const all = [...known, ...otherNames(runs, known).map((name) => [name, spoken(name), 'plain'])];
  const rows = all.filter(([name]) => runs.some((run) => run.final[name] !== undefined))
    .map(([name, title, format]) => [title, ...runs.map((run) => number(run.final[name], format))]);
  drawTable(parent, ['Last value', ...runs.map((run) => run.name)], rows);
}

// The curve `name` of a run as a series; nothing where it has none.
function seriesOf(run, name, label, colour, sparse) {
  const curve = run.curves[name];
  if (!curve) return [];
  const marks = run.starts.map((start) => start.from_step).filter((step) => step > 0);
  return [{ label, colour, y: curve.y, axis: run.axes[curve.axis], sparse, marks }];
}

// Training and held-out loss belong together.
function drawLosses(parent, runs) {
  const series = runs.flatMap((run) => [
    ...seriesOf(run, 'loss', run.name, run.colour, false),
    ...seriesOf(run, 'valid_loss', run.name + ', held out', runs.length > 1 ? run.colour : colourOf(run.index + 1), true),
    ...predictedSeries(run)]);
  if (series.length > 0) drawChart(parent, 'Loss and held-out loss, nats a token', series, {});
}

function drawCurves(parent, runs) {
  const grid = element(parent, 'div', { className: 'grid' });
  drawLosses(grid, runs);
  const others = otherNames(runs, [...kFacts, ...kMetrics]).filter((name) => !runs.some((run) => isSource(run, name)));
  for (const [name, title, format] of [...kMetrics.slice(2), ...others.map((other) => [other, spoken(other), 'plain'])]) {
    const series = runs.flatMap((run) => seriesOf(run, name, run.name, run.colour, false));
    if (series.length > 0) drawChart(grid, title, series, { format });
  }
  for (const run of runs) drawTogether(grid, run, runs.length > 1);
}

// What belongs together: rewards by their source, and where a step's time went, one kind upon the other.
function drawTogether(parent, run, several) {
  const whose = several ? ', ' + run.name : '';
  const all = (prefix, names) => names.flatMap((name, i) => seriesOf(run, name, spoken(name.slice(prefix.length)), colourOf(i), false));
  const sources = all(kSources, Object.keys(run.curves).filter((name) => isSource(run, name)));
  if (sources.length > 0) drawChart(parent, 'Reward by source' + whose, sources, {});
  const times = all(kTimes, Object.keys(run.curves).filter((name) => name.startsWith(kTimes)));
  if (times.length > 0) drawChart(parent, 'Where a step\'s time went' + whose, times, { format: 'seconds', options: { stackedGraph: true, fillAlpha: 0.35 } });
}

function drawNotes(parent, runs) {
  for (const run of runs) {
    for (const note of run.notes) element(parent, 'p', { className: 'note', textContent: run.name + ': ' + note });
  }
}

const timeText = (seconds) => new Date(1000 * seconds).toISOString().slice(0, 19).replace('T', ' ') + ' UTC';

function drawStarts(parent, runs) {
  const rows = runs.flatMap((run) => run.starts.map((start) =>
    [run.name, timeText(start.seconds), start.from_step > 0 ? 'went on after step ' + start.from_step : 'began']));
  if (rows.length === 0) return;
  element(parent, 'h3', { textContent: 'Starts' });
  drawTable(parent, ['Run', 'When', 'What'], rows);
}

// Keys that somebody set; where runs differ first.
function drawSettings(parent, runs) {
  const byKey = new Map();
  runs.forEach((run, i) => (run.settings || []).forEach((one) => {
    if (!byKey.has(one.key)) byKey.set(one.key, { key: one.key, by_default: one.default, values: runs.map(() => '') });
    const row = byKey.get(one.key);
    row.values[i] = one.value;
    row.changed = row.changed || one.changed;
  }));
  if (byKey.size === 0) return;
  const all = [...byKey.values()];
  for (const row of all) row.differs = new Set(row.values).size > 1;
  element(parent, 'h3', { textContent: runs.length > 1 ? 'Settings that were changed (* runs differ)' : 'Settings that were changed' });
  const draw = (place, rows) => drawTable(place, ['Key', ...runs.map((run) => run.name), 'Default'],
    rows.map((row) => [row.key, ...row.values, row.by_default]))
    .forEach((line, i) => line.classList.toggle('differs', rows[i].differs));
  draw(parent, [...all.filter((row) => row.differs), ...all.filter((row) => !row.differs && row.changed)]);
  const details = element(parent, 'details', {});
  element(details, 'summary', { textContent: 'All ' + all.length + ' settings' });
  draw(details, all);
}

function drawSample(parent, sample) {
  const card = element(parent, 'div', { className: 'sample' });
  if (sample.model) element(card, 'p', { className: 'facts', textContent: sample.model });
  element(card, 'p', { className: 'prompt', textContent: sample.prompt });
  element(card, 'p', { className: 'text', textContent: sample.text });
  const facts = Object.entries(sample).filter(([name, value]) => !['step', 'model', 'prompt', 'text'].includes(name) && typeof value !== 'object');
  const text = facts.map(([name, value]) => name.replaceAll('_', ' ') + ' ' + (typeof value === 'number' ? plain(value) : value)).join(' · ');
  if (text !== '') element(card, 'p', { className: 'facts', textContent: text });
  if (sample.sources !== null && typeof sample.sources === 'object') drawSources(card, Object.entries(sample.sources));
}

// What each source gave an answer, and what a judge chose with which probabilities. Samples are shown as they were read, so
// any of it may be missing or something else.
function drawSources(parent, sources) {
  const judged = sources.some(([, one]) => one?.letter || one?.probabilities);
  const chances = (one) => (Array.isArray(one?.probabilities) ? one.probabilities.map((p) => number(p, 'plain').text).join(' ') : '');
  drawTable(parent, ['Source', 'Reward', ...(judged ? ['Letter', 'Probabilities'] : [])], sources.map(([name, one]) =>
    [name.replaceAll('_', ' '), number(one?.value, 'plain'), ...(judged ? [String(one?.letter ?? ''), chances(one)] : [])]));
}

// One step at a time, the last one first.
function drawSamples(parent, run) {
  if (run.samples.length === 0) return;
  element(parent, 'h3', { textContent: 'Samples of ' + run.name });
  const label = element(parent, 'label', { textContent: 'Step: ' });
  const choice = element(label, 'select', {});
  const steps = [...new Set(run.samples.map((sample) => sample.step))];
  for (const step of steps) element(choice, 'option', { value: step, textContent: step });
  const place = element(parent, 'div', { className: 'samples' });
  const show = () => {
    place.replaceChildren();
    for (const sample of run.samples) if (String(sample.step) === choice.value) drawSample(place, sample);
  };
  choice.value = steps[steps.length - 1];
  choice.addEventListener('change', show);
  show();
}

function drawStage(stage, title) {
  const runs = kReport.runs.filter((run) => run.stage === stage);
  if (runs.length === 0) return;
  const place = section(title);
  drawNotes(place, runs);
  drawFinals(place, runs);
  drawPredictions(place, runs);
  drawCurves(place, runs);
  for (const run of runs) drawSamples(place, run);
  drawStarts(place, runs);
  drawSettings(place, runs);
}

function listen() {
  const across = document.getElementById('across'), smooth = document.getElementById('smooth'), log = document.getElementById('log');
  document.getElementById('controls').addEventListener('change', () => {
    Object.assign(kView, { across: across.value, smooth: Number(smooth.value), log: log.checked });
    redraw();
  });
}

const kParts = [...kReport.runs, ...kReport.laws, ...kReport.safety, ...kReport.evals, ...kReport.contamination];
for (const list of [kReport.runs, kReport.evals]) list.forEach((one, index) => Object.assign(one, { index, colour: colourOf(index) }));
document.title = kParts.map((one) => one.name).join(', ') + ' · Sextant report';
document.getElementById('made').textContent = kReport.made + ', ' + kReport.program + '; ' + kParts.map((one) => one.folder).join(', ');
const kOthers = kReport.runs.map((run) => run.stage).filter((stage) => !(stage in kStages));
for (const stage of [...Object.keys(kStages), ...new Set(kOthers)]) drawStage(stage, kStages[stage] || spoken(stage));
drawLaws(kReport.laws, kReport.runs);
drawSafety(kReport.safety);
drawEvals(kReport.evals);
drawContamination(kReport.contamination);
listen();
