// Plots as SVG, drawn for the width that there is, so that letters keep their size on a phone.

function ticks(low, high, wanted, wholes) {
  const span = Math.max(high - low, Math.abs(high) / 100, 1e-9);
  const size = 10 ** Math.floor(Math.log10(span / wanted));
  let step = [1, 2, 5, 10].map((factor) => factor * size).find((value) => span / value <= wanted + 1);
  if (wholes) step = Math.max(1, Math.round(step));
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(Math.ceil(high / step - 1e-9), first + 1);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function powers(low, high) {
  const found = [];
  const factors = high / low > 1000 ? [1] : [1, 2, 5];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e += 1)
    found.push(...factors.map((factor) => Number((factor * 10 ** e).toPrecision(3))));
  const first = Math.max(0, found.findLastIndex((value) => value <= low));
  const last = found.findIndex((value) => value >= high);
  return found.slice(first, Math.max(last, first + 1) + 1);
}

function scale(axis, from, to, wanted) {
  const log = axis.low > 0 && axis.high / axis.low > 20 && axis.mayBeLog;
  const marks = log ? powers(axis.low, axis.high) : ticks(axis.low, axis.high, wanted, axis.whole);
  const ends = [marks[0], marks.at(-1)].map((value) => (log ? Math.log10(value) : value));
  const place = (value) => from + (((log ? Math.log10(value) : value) - ends[0]) / (ends[1] - ends[0])) * (to - from);
  const every = Math.ceil(marks.length / (wanted + 1.5));
  return { place, marks: marks.filter((_, i) => i % every === 0) };
}

// A figure. `x`, `y`: {label, low, high, format, whole, mayBeLog}. `lines`: {points: [[x, y]], kind, stairs}. `dots`:
// {points: [{x, y, row}], kind}, where y is null for what lies below the axis. `legend`: [[kind, words]].
function chart({ title, x, y, lines = [], dots = [], legend = [], height = 300, square = false }) {
  const host = el('div', { class: 'canvas' });
  const tip = el('div', { class: 'tip', hidden: true });
  const keys = legend.map(([kind, ...words]) => el('span', { class: 'key' }, swatch(kind), ...words));
  const figure = el('figure', { class: square ? 'square' : null }, el('figcaption', {}, el('b', {}, title), el('div', { class: 'keys' }, keys)), host, tip);
  let near = () => null;
  const draw = () => {
    const width = Math.max(260, host.clientWidth || 480);
    const tall = square ? Math.min(width, 340) : height;
    const across = square ? tall : width;
    const frame = { left: 58, right: across - 24, top: 12, bottom: tall - 42 };
    const sx = scale(x, frame.left, frame.right, Math.max(3, Math.floor(across / 90)));
    const sy = scale(y, frame.bottom, frame.top, 5);
    const down = (value) => (value === null ? frame.bottom - 7 : Math.min(sy.place(value), frame.bottom));
    const grid = sy.marks.map((value) => [
      svg('line', { class: 'grid', x1: frame.left, x2: frame.right, y1: sy.place(value), y2: sy.place(value) }),
      svg('text', { class: 'tick', x: frame.left - 8, y: sy.place(value) + 4, 'text-anchor': 'end' }, y.format(value)),
    ]);
    const base = sx.marks.map((value) => [
      svg('line', { class: 'grid', x1: sx.place(value), x2: sx.place(value), y1: frame.bottom, y2: frame.bottom + 4 }),
      svg('text', { class: 'tick', x: sx.place(value), y: frame.bottom + 18, 'text-anchor': 'middle' }, x.format(value)),
    ]);
    const drawn = lines.map(({ points, kind, stairs }) => {
      const places = points.map(([a, b]) => [sx.place(a).toFixed(1), down(b).toFixed(1)]);
      const steps = stairs ? ([a, b]) => `H${a}V${b}` : ([a, b]) => `L${a} ${b}`;
      return svg('path', { class: kind, d: places.map((at, i) => (i ? steps(at) : `M${at[0]} ${at[1]}`)).join('') });
    });
    const many = dots.reduce((sum, group) => sum + group.points.length, 0);
    const size = many > 2000 ? 4 : many > 400 ? 6 : 9;
    const targets = [];
    const marks = dots.map(({ points, kind }) => {
      const seen = new Set(); // of thousands of dots many lie upon another
      const places = points.map((point) => [sx.place(point.x), down(point.y), point]).filter(([a, b]) => {
        const cell = Math.round(a / (size / 3)) * 4096 + Math.round(b / (size / 3));
        return !seen.has(cell) && seen.add(cell);
      });
      for (const place of places) targets.push(place);
      return marked(places, kind, size);
    });
    near = (px, py) => {
      let best = null;
      let least = 22 ** 2;
      for (const [a, b, point] of targets) {
        const away = (a - px) ** 2 + (b - py) ** 2;
        if (away < least) [best, least] = [{ a, b, point }, away];
      }
      return best;
    };
    const names = [
      svg('text', { class: 'axis', x: (frame.left + frame.right) / 2, y: tall - 6, 'text-anchor': 'middle' }, x.label),
      svg('text', { class: 'axis', transform: `translate(13 ${(frame.top + frame.bottom) / 2}) rotate(-90)`,
        'text-anchor': 'middle' }, y.label),
    ];
    host.replaceChildren(svg('svg', { width: across, height: tall, role: 'img', 'aria-label': title },
      grid, base, drawn, marks, names));
  };
  const look = (event) => {
    const box = host.getBoundingClientRect();
    return near(event.clientX - box.left, event.clientY - box.top);
  };
  host.addEventListener('pointermove', (event) => {
    const found = look(event);
    host.classList.toggle('hit', Boolean(found?.point.row));
    tip.hidden = !found;
    if (!found) return;
    tip.replaceChildren(...(found.point.row ? tipOf(found.point.row) : [found.point.words]));
    const right = found.a > host.clientWidth / 2;
    tip.style.left = right ? 'auto' : `${found.a + 14}px`;
    tip.style.right = right ? `${host.clientWidth - found.a + 14}px` : 'auto';
    tip.style.top = `${host.offsetTop + found.b - 10}px`;
  });
  host.addEventListener('pointerleave', () => { tip.hidden = true; });
  host.addEventListener('click', (event) => {
    const row = look(event)?.point.row;
    if (row) openCandidate(row.number);
  });
  new ResizeObserver(draw).observe(host);
  return figure;
}

// All marks of a kind are one path, for ten thousand of them; a line of no length with round ends is a dot.
function marked(places, kind, size) {
  const reach = size * 0.45;
  const cross = ([a, b]) => `M${(a - reach).toFixed(1)} ${(b - reach).toFixed(1)}l${2 * reach} ${2 * reach}m0 ${-2 * reach}l${-2 * reach} ${2 * reach}`;
  const dot = ([a, b]) => `M${a.toFixed(1)} ${b.toFixed(1)}h0`;
  const d = places.map(kind === 'failed' ? cross : dot).join('');
  if (kind === 'failed') return svg('path', { class: 'mark failed', d });
  const outer = svg('path', { class: `mark ${kind}`, d, 'stroke-width': size, 'stroke-opacity': size < 9 ? 0.65 : null });
  return kind === 'other' && size > 5 ? [outer, svg('path', { class: 'mark hole', d, 'stroke-width': size - 3 })] : outer;
}

function swatch(kind) {
  const line = { best: 1, start: 1, exact: 1, believed: 1, improving: 1 }[kind];
  const inner = line ? svg('path', { class: kind, d: 'M1 7H21' }) : marked([[11, 7]], kind, 9);
  return svg('svg', { width: 22, height: 14, 'aria-hidden': 'true' }, inner);
}

const tipOf = (row) => [
  el('b', {}, `#${row.number} ${row.accuracy === null ? row.status : percent(row.accuracy)}`),
  row.gain === null ? null : span('soft', ` ${signed(row.gain)}`),
  el('div', {}, editOf(row)),
].filter(Boolean);

// A share with its interval, on a line from 0 to 1; a hollow mark is what was believed.
function interval(low, mean, high, believed = null) {
  const at = (value) => 4 + 112 * value;
  const words = `${mean.toFixed(2)}, 90 % interval ${low.toFixed(2)} to ${high.toFixed(2)}`;
  return svg('svg', { class: 'interval', viewBox: '0 0 120 16', role: 'img', 'aria-label': words },
    svg('title', {}, words),
    svg('line', { class: 'grid', x1: 4, x2: 116, y1: 8, y2: 8 }),
    svg('line', { class: 'grid', x1: at(0.5), x2: at(0.5), y1: 4, y2: 12 }),
    svg('line', { class: 'span', x1: at(low), x2: at(high), y1: 8, y2: 8 }),
    believed === null ? null : svg('path', { class: 'diamond', d: `M${at(believed)} 2l5 6l-5 6l-5 -6z` }),
    svg('circle', { class: 'middle', cx: at(mean), cy: 8, r: 3.5 }));
}
