'use strict';
// Curves over dygraphs, which draws, zooms and says what is under the pointer.

// Middle tones, readable on white and on black; the second of each pair is for a second curve of the same run.
const kColours = ['#2f7ed8', '#d9632a', '#2a9d5c', '#a45fd0', '#b8901f', '#d0447e', '#1f9fb0', '#7d8794'];
const kCharts = [];
const kView = { across: 'step', smooth: 1, log: false };

function element(parent, tag, properties) {
  const made = document.createElement(tag);
  Object.assign(made, properties);
  parent.append(made);
  return made;
}

function plain(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return '-';
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return value.toExponential(3);
  if (size >= 1e4) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(5)));
}

function scaled(value, unit, step, names) {
  let i = 0;
  while (Math.abs(value) >= step && i + 1 < names.length) { value /= step; ++i; }
  return Number(value.toPrecision(4)) + names[i] + unit;
}

// How numbers of a kind are written.
const kFormats = {
  plain,
  count: (value) => scaled(value, '', 1000, ['', 'k', 'M', 'G', 'T', 'P']),
  bytes: (value) => scaled(value, 'B', 1024, [' ', ' Ki', ' Mi', ' Gi', ' Ti']),
  power: (value) => (10 ** value).toExponential(1),
  share: (value) => Number((100 * value).toPrecision(4)) + ' %',
  seconds: (value) => (value < 1 ? Number((1000 * value).toPrecision(4)) + ' ms' : plain(value) + ' s'),
};

// A mean over `width` points around each; at the ends over fewer.
function smoothed(y, width) {
  if (width < 2) return y;
  const half = Math.floor(width / 2);
  const sums = [0];
  for (const value of y) sums.push(sums[sums.length - 1] + value);
  return y.map((_, i) => {
    const begin = Math.max(0, i - half), end = Math.min(y.length, i + half + 1);
    return (sums[end] - sums[begin]) / (end - begin);
  });
}

// Rows [x, y of each series]: dygraphs wants all series of a chart over the same x.
function rowsOf(series) {
  const rows = new Map();
  series.forEach((one, column) => {
    const x = one.x || one.axis[kView.across];
    const y = one.sparse ? one.y : smoothed(one.y, kView.smooth);
    x.forEach((at, i) => {
      if (!rows.has(at)) rows.set(at, [at, ...series.map(() => null)]);
      rows.get(at)[column + 1] = y[i];
    });
  });
  return [...rows.values()].sort((a, b) => a[0] - b[0]);
}

// Where runs went on from a checkpoint.
function drawMarks(series) {
  return (context, area, chart) => {
    context.strokeStyle = 'rgba(128, 128, 128, 0.8)';
    context.setLineDash([2, 3]);
    for (const one of series) {
      for (const step of one.marks || []) {
        const i = one.axis.step.findIndex((at) => at >= step);
        if (i < 0) continue;
        const x = chart.toDomXCoord(one.axis[kView.across][i]);
        context.beginPath();
        context.moveTo(x, area.y);
        context.lineTo(x, area.y + area.h);
        context.stroke();
      }
    }
    context.setLineDash([]);
  };
}

function legendOf(series, format) {
  return (data) => {
    const legend = document.createDocumentFragment();
    if (data.x !== undefined) element(legend, 'span', { textContent: data.xHTML });
    data.series.forEach((shown, i) => {
      if (data.x !== undefined && shown.y === undefined) return;
      const entry = element(legend, 'span', {});
      const swatch = element(entry, 'i', { className: series[i].sparse ? 'swatch dashed' : 'swatch' });
      swatch.style.borderColor = series[i].colour;
      entry.append(shown.label + (data.x === undefined ? '' : ' ' + format(shown.y)));
    });
    return legend;
  };
}

// One finger scrolls the page; two zoom.
function interaction() {
  const model = Object.assign({}, Dygraph.defaultInteractionModel);
  const start = model.touchstart, move = model.touchmove, end = model.touchend;
  model.touchstart = (event, chart, context) => { if (event.touches.length > 1) start(event, chart, context); };
  model.touchmove = (event, chart, context) => { if (event.touches.length > 1 && context.initialTouches) move(event, chart, context); };
  model.touchend = (event, chart, context) => { if (event.touches.length > 1 || context.initialTouches) end(event, chart, context); };
  return model;
}

// A figure of `series`: [{label, colour, y, and axis (steps and tokens) or x; sparse: few points, dashed; marks}].
// `how`: {format: a key of kFormats, options: of dygraphs, xFormat}.
function drawChart(parent, title, series, how) {
  const format = kFormats[how.format || 'plain'], xFormat = kFormats[how.xFormat || 'count'];
  const figure = element(parent, 'figure', {});
  element(figure, 'figcaption', { textContent: title });
  const legend = element(figure, 'div', { className: 'legend' });
  const place = element(figure, 'div', { className: 'chart' });
  const options = {
    labels: [kView.across, ...series.map((one) => one.label)],
    colors: series.map((one) => one.colour),
    labelsDiv: legend, legend: 'always', legendFormatter: legendOf(series, format),
    connectSeparatedPoints: true, strokeWidth: 1.6, highlightCircleSize: 4, gridLineWidth: 1,
    gridLineColor: 'rgba(128, 128, 128, 0.22)', axisLineColor: 'rgba(128, 128, 128, 0.6)',
    interactionModel: interaction(), underlayCallback: drawMarks(series),
    series: Object.fromEntries(series.filter((one) => one.sparse).map((one) =>
      [one.label, { strokePattern: [6, 3], drawPoints: true, pointSize: 2.5 }])),
    axes: {
      x: { axisLabelFormatter: xFormat, valueFormatter: xFormat, axisLabelFontSize: 11, ticker: Dygraph.numericLinearTicks },
      y: { axisLabelFormatter: format, valueFormatter: format, axisLabelFontSize: 11, axisLabelWidth: 62,
        labelsKMG2: how.format === 'bytes' },
    },
    ...how.options,
  };
  if (series.every((one) => one.axis) && !options.stackedGraph)
    options.logscale = kView.log && series.every((one) => one.y.every((value) => value > 0));
  const chart = new Dygraph(place, rowsOf(series), options);
  kCharts.push({ chart, series, stacked: options.stackedGraph });
}

// After a change of kView.
function redraw() {
  for (const { chart, series, stacked } of kCharts) {
    if (!series.every((one) => one.axis)) continue;
    const positive = series.every((one) => one.y.every((value) => value > 0));
    chart.updateOptions({ file: rowsOf(series), labels: [kView.across, ...series.map((one) => one.label)],
      logscale: kView.log && positive && !stacked, dateWindow: null, valueRange: null });
  }
}

// A canvas that is resized for printing prints empty, so charts are scaled to half of a page's width by the style.
window.addEventListener('beforeprint', () => {
  const widest = Math.max(1, ...kCharts.map((one) => one.chart.size().width));
  document.documentElement.style.setProperty('--paper-zoom', Math.min(1, 317 / widest));
});
