'use strict';
// Sections about what was measured of models: evaluations, calibration, contamination, predictions and their laws.

// An interval and its middle as a bar between `from` and `to`.
function drawBar(parent, one, from, to, colour) {
  const make = (tag, values) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(values)) made.setAttribute(name, value);
    return made;
  };
  const known = (value) => typeof value === 'number' && !Number.isNaN(value);
  const at = (value) => 4 + 152 * (to > from ? (value - from) / (to - from) : 0.5);
  const bar = make('svg', { width: 160, height: 14, role: 'img' });
  bar.append(make('rect', { x: 4, y: 6.5, width: 152, height: 1, fill: 'rgba(128, 128, 128, 0.4)' }));
  if (known(one.low) && known(one.high))
    bar.append(make('rect', { x: at(one.low), y: 4, width: Math.max(1, at(one.high) - at(one.low)), height: 6, rx: 2, fill: colour, opacity: 0.45 }));
  if (known(one.value)) bar.append(make('circle', { cx: at(one.value), cy: 7, r: 4, fill: colour }));
  parent.append(bar);
}

// A table of `groups`, lists of {cells, value, low, high, colour, format} that share a scale: shares 0 to 1, others their own range.
function drawIntervals(parent, heads, groups) {
  const rows = groups.flat();
  const lines = drawTable(parent, [...heads, 'Value', '95 % interval', ''], rows.map((row) => [...row.cells, number(row.value, row.format || 'plain'),
    { text: typeof row.low === 'number' && !Number.isNaN(row.low) ? [row.low, row.high].map(kFormats[row.format || 'plain']).join(' to ') : '-' }, '']));
  for (const group of groups) {
    const ends = group.flatMap((row) => [row.value, row.low, row.high]).filter((value) => typeof value === 'number' && !Number.isNaN(value));
    const share = ends.every((value) => value >= 0 && value <= 1);
    const [from, to] = share ? [0, 1] : [Math.min(...ends), Math.max(...ends)];
    for (const row of group) drawBar(lines[rows.indexOf(row)].lastChild, row, from, to, row.colour);
  }
}

// Results of all evaluations by task, group and metric.
function byMeasure(evals) {
  const measures = new Map();
  for (const one of evals) {
    for (const result of one.results) {
      if (result.out_of) continue;
      const key = JSON.stringify([result.task, result.group || '', result.metric]);
      if (!measures.has(key)) measures.set(key, []);
      measures.get(key).push({ ...result, colour: one.colour,
        cells: [result.task, result.metric, one.name, { text: String(result.n) }], group: result.group || '' });
    }
  }
  return [...measures.values()];
}

// Points of exams, section by section; bars show their share, two standard errors to each side.
function drawExams(parent, evals) {
  const sections = new Map();
  for (const one of evals) {
    for (const result of one.results.filter((some) => some.out_of)) {
      const key = JSON.stringify([result.task, result.group || '']), points = result.value ?? NaN;
      if (!sections.has(key)) sections.set(key, []);
      sections.get(key).push({ cells: [result.task, result.group || 'all', one.name, number(result.value, 'plain'), number(result.out_of, 'plain')],
        value: points / result.out_of, low: (points - 2 * result.stderr) / result.out_of, high: (points + 2 * result.stderr) / result.out_of,
        format: 'share', colour: one.colour });
    }
  }
  if (sections.size === 0) return;
  element(parent, 'h3', { textContent: 'Exams' });
  drawIntervals(parent, ['Exam', 'Section', 'Of', 'Points', 'Out of'], [...sections.values()]);
}

// Confidence against accuracy; a point's size tells how many items it stands for.
function drawReliability(parent, task, evals) {
  const series = [{ label: 'as sure as right', colour: '#808080', x: [0, 1], y: [0, 1], sparse: true }];
  for (const one of evals) {
    const result = one.results.find((some) => some.task === task && some.metric === 'ece' && some.bins);
    if (result) series.push({ label: one.name, colour: one.colour, n: result.bins.map((bin) => bin.n),
      x: result.bins.map((bin) => bin.confidence), y: result.bins.map((bin) => bin.accuracy) });
  }
  const size = (one) => (chart, name, context, x, y, colour, radius, i) => {
    const bin = one.x.indexOf(chart.getValue(i, 0));
    context.beginPath();
    context.fillStyle = colour;
    context.arc(x, y, bin < 0 ? radius : 3 + 6 * Math.sqrt(one.n[bin] / Math.max(...one.n)), 0, 2 * Math.PI);
    context.fill();
  };
  drawChart(parent, 'Reliability, ' + task + ': accuracy over confidence', series, { format: 'share', xFormat: 'share', options: {
    dateWindow: [-0.03, 1.03], valueRange: [-0.03, 1.05], strokeWidth: 1,
    series: Object.fromEntries(series.map((one) => [one.label, one.n ? { drawPoints: true, drawPointCallback: size(one) } : { strokePattern: [6, 3] }])) } });
}

function drawEvals(evals) {
  if (evals.length === 0) return;
  const place = section('Evaluations');
  const measures = byMeasure(evals), heads = ['Task', 'Metric', 'Of', 'n'];
  drawIntervals(place, heads, measures.filter((rows) => rows[0].group === ''));
  const grouped = measures.filter((rows) => rows[0].group !== '');
  if (grouped.length > 0) {
    const details = element(place, 'details', {});
    element(details, 'summary', { textContent: 'By group' });
    for (const row of grouped.flat()) row.cells[0] += ', ' + row.group;
    drawIntervals(details, heads, grouped);
  }
  drawExams(place, evals);
  const tasks = new Set(evals.flatMap((one) => one.results.filter((result) => result.bins).map((result) => result.task)));
  const grid = element(place, 'div', { className: 'grid' });
  for (const task of tasks) drawReliability(grid, task, evals);
}

function drawContamination(files) {
  if (files.length === 0) return;
  const place = section('Contamination');
  const share = (one) => ({ text: one.contaminated + ', ' + kFormats.share(one.share) });
  drawTable(place, ['Of', 'Items', 'Found in training text', 'By characters', 'By 13 words'],
    files.map((one) => [one.name + ': ' + one.evals.join(', '), { text: String(one.items) }, share(one), share(one.characters), share(one.words)]));
  for (const one of files) {
    if (one.scores) {
      const cells = (of) => number(one.scores[of].mean, 'plain').text + ' ± ' + plain(one.scores[of].stderr) + ' (' + one.scores[of].items + ')';
      drawTable(place, ['Score of ' + one.name, 'All', 'Without contaminated', 'Contaminated alone', 'To be told'],
        [[one.scores.metric || 'grade', ...['all', 'clean', 'contaminated'].map((of) => ({ text: cells(of) })), one.scores.lower === 'clean' ? 'without contaminated' : 'all']]);
    }
    if (one.contaminated_items.length === 0) continue;
    const details = element(place, 'details', {});
    element(details, 'summary', { textContent: 'The first ' + one.contaminated_items.length + ' contaminated items of ' + one.name });
    drawTable(details, ['Item', 'Found in', 'Text there'], one.contaminated_items.map((item) =>
      [item.eval + ' ' + item.index, (item.source || '') + ', document ' + item.document, item.text || '']));
  }
}

// What was foretold of runs before they began, beside what came.
function drawPredictions(parent, runs) {
  const foretold = runs.filter((run) => run.prediction);
  if (foretold.length === 0) return;
  element(parent, 'h3', { textContent: 'Held-out loss, predicted before the run began' });
  drawIntervals(parent, ['Run', ''], foretold.map((run) => [
    { cells: [run.name, 'predicted'], value: run.prediction.loss, low: run.prediction.loss_95?.[0], high: run.prediction.loss_95?.[1], colour: '#808080' },
    { cells: [run.name, 'came'], value: run.prediction.outcome, colour: run.colour }]));
  for (const run of foretold) {
    const one = run.prediction, [low, high] = one.loss_95 || [];
    const within = low === undefined ? '' : one.outcome >= low && one.outcome <= high ? ', within the interval' : ', outside of the interval';
    element(parent, 'p', { className: 'dim', textContent: run.name + ': the error is ' + (100 * one.relative_error).toFixed(3) + ' %' + within +
      '. ' + one.law + ' of ' + one.points + ' runs, registered ' + one.registered_at + ', SHA-256 ' + one.sha256 });
    for (const doubt of one.doubts || []) element(parent, 'p', { className: 'note', textContent: run.name + ': the prediction had this against it: ' + doubt });
  }
}

// A level line across the run's curve at what was foretold.
function predictedSeries(run) {
  if (!run.prediction || !run.curves.loss) return [];
  const axis = run.axes[run.curves.loss.axis], ends = (list) => [list[0], list[list.length - 1]];
  return [{ label: run.name + ', predicted', colour: '#808080', sparse: true, y: [run.prediction.loss, run.prediction.loss],
    axis: { step: ends(axis.step), tokens: ends(axis.tokens) } }];
}

// Losses of small runs over their compute; of each run that was foretold from them the law, the prediction with its interval,
// and what came.
function drawLaw(parent, file, runs) {
  const times = new Map(), options = {};
  // Runs of equal compute are set apart by a hair: a chart has one row for each place.
  const place = (flops) => {
    times.set(flops, (times.get(flops) || 0) + 1);
    return Math.log10(flops) + 1e-7 * times.get(flops);
  };
  const series = [];
  const add = (label, colour, x, y, how) => {
    series.push({ label, colour, x, y, sparse: how.strokeWidth !== 0 });
    options[label] = how;
  };
  const dots = { strokeWidth: 0, drawPoints: true, pointSize: 4 };
  add(file.name, kColours[7], file.points.map((point) => place(point.flops)), file.points.map((point) => point.loss), dots);
  for (const run of runs) {
    const one = run.prediction, fit = one.fit, end = Math.log10(one.flops), begin = Math.min(...series[0].x);
    if (['a', 'b', 'c'].every((name) => typeof fit[name] === 'number')) {
      const x = Array.from({ length: 61 }, (_, i) => begin + (i / 60) * (end - begin));
      add('law of ' + run.name, '#808080', x, x.map((at) => fit.a * 10 ** (at * fit.b) + fit.c), { strokePattern: [6, 3] });
    }
    const bar = (chart, name, context, x, y, colour, radius) => {
      context.strokeStyle = context.fillStyle = colour;
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.stroke();
      if (!one.loss_95) return;
      context.beginPath();
      for (const value of one.loss_95) context.lineTo(x, chart.toDomYCoord(value));
      context.stroke();
    };
    add(run.name + ', predicted', '#808080', [place(one.flops)], [one.loss], { ...dots, drawPointCallback: bar });
    add(run.name + ', came', run.colour, [place(one.flops)], [one.outcome], { ...dots, pointSize: 5 });
  }
  drawChart(parent, 'Held-out loss over FLOPs', series, { xFormat: 'power', options: { series: options, xRangePad: 10 } });
}

function drawLaws(files, runs) {
  if (files.length === 0) return;
  const place = element(section('Scaling'), 'div', { className: 'grid' });
  for (const file of files) drawLaw(place, file, runs.filter((run) => run.prediction?.points_sha256 === file.sha256));
}

// Shares of answers before and after, with their changes and what perplexity they cost.
function drawSafety(evaluations) {
  if (evaluations.length === 0) return;
  const place = section('Safety');
  for (const one of evaluations) {
    element(place, 'h3', { textContent: one.folder });
    for (const note of [...one.failures.map((failure) => 'gate: ' + failure), ...one.notes]) element(place, 'p', { className: 'note', textContent: note });
    const measures = Object.keys(one.models[0]?.measures || {});
    drawIntervals(place, ['Share of answers', 'Of', 'Answers', 'Subjects'], measures.map((name) => one.models.map((model, i) => {
      const share = model.measures[name];
      return { cells: [name, model.name, { text: String(share.answers) }, { text: String(share.subjects) }], value: share.share, low: share.low, high: share.high, format: 'share', colour: colourOf(i) };
    })));
    drawChanges(place, one, measures);
    drawAnswers(place, one);
  }
}

function drawChanges(parent, one, measures) {
  const signed = (value, unit) => ({ text: typeof value === 'number' ? (value > 0 ? '+' : '') + Number(value.toFixed(2)) + unit : '-' });
  const rows = measures.filter((name) => one.changes?.[name]).map((name) => {
    const change = one.changes[name];
    return [name, change.better, signed(change.points, ' points'), { text: signed(change.low, '').text + ' to ' + signed(change.high, '').text }, signed(change.percent, ' %')];
  });
  if (rows.length > 0) drawTable(parent, ['Change from first to last', 'Better', 'By', '95 % interval', 'In percent'], rows);
  const read = one.models.filter((model) => typeof model.perplexity === 'number');
  if (read.length > 0) drawTable(parent, ['Held-out perplexity', ...read.map((model) => model.name), 'Change'],
    [['', ...read.map((model) => number(model.perplexity, 'plain')), signed(one.perplexity_rise_percent, ' %')]]);
}

// The models' answers to a class of prompts, each prompt's side by side.
function drawAnswers(parent, one) {
  const classes = [...new Set(one.samples.map((sample) => sample.class))];
  if (classes.length === 0) return;
  const choice = element(element(parent, 'label', { textContent: 'Answers to prompts of class: ' }), 'select', {});
  for (const name of classes) element(choice, 'option', { value: name, textContent: name });
  const place = element(parent, 'div', { className: 'samples' });
  const show = () => {
    place.replaceChildren();
    const some = one.samples.filter((sample) => String(sample.class) === choice.value);
    for (const prompt of new Set(some.map((sample) => sample.prompt)))
      for (const sample of some) if (sample.prompt === prompt) drawSample(place, sample);
  };
  choice.addEventListener('change', show);
  show();
}
