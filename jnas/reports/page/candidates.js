// The candidates: the table that is filtered, and what led to one of them.

const parts = new Map(); // unpacked, by number
const dialog = el('dialog', { id: 'candidate', click: (event) => { if (event.target === dialog) dialog.close(); } });
let asked = null; // candidate whose details the dialog waits for

async function unpacked(part) {
  if (document.body.dataset.live === '1') {
    const reply = await fetch(`part-${part}.json`, { cache: 'no-store' });
    if (!reply.ok) throw new Error(await reply.text());
    return reply.json();
  }
  const packed = document.getElementById(`part-${part}`).textContent;
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
}

async function detailsOf(row) {
  const size = Number(document.body.dataset.part);
  const part = Math.floor(row.index / size);
  if (!parts.has(part)) parts.set(part, unpacked(part));
  try {
    return (await parts.get(part))[row.index % size];
  } catch (error) {
    parts.delete(part); // a server that is back is asked again
    throw error;
  }
}

// The details, in a place that is filled when they are there.
function later(row) {
  const host = el('div', { class: 'details' }, soft('…'));
  detailsOf(row).then(
    (found) => host.replaceChildren(...described(row, found)),
    (error) => host.replaceChildren(soft(`These details cannot be read: ${error.message}`)));
  return host;
}

function openCandidate(number) {
  const row = byNumber.get(number);
  if (!row) return;
  asked = number;
  const close = el('button', { type: 'button', class: 'close', 'aria-label': 'close', click: () => dialog.close() }, '✕');
  dialog.replaceChildren(
    el('header', {}, el('h2', {}, `Candidate ${number}`), status(row), close),
    el('div', { class: 'inside' }, el('p', { class: 'edit' }, editOf(row)), summaryOf(row), later(row)));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

const editOf = (row) => (row.description || 'the start tree').replaceAll(' -> ', ' → ');
const link = (number) => el('button', { type: 'button', class: 'link', click: () => openCandidate(number) }, `#${number}`);
const scoreOf = (row) => (row.accuracy === null ? span(row.status === 'waiting' ? 'soft' : 'bad', row.status) : percent(row.accuracy));
const gainOf = (row) => span(row.gain > 0 ? 'good' : 'soft', signed(row.gain));
const status = (row) => el('span', { class: 'score' }, scoreOf(row), ' ', row.gain === null ? null : gainOf(row));

const summaryOf = (row) => facts([
  ['from', row.parent === null ? null : link(row.parent)],
  ['children', row.children.length ? row.children.slice(0, 12).map((number) => [link(number), ' ']) : null],
  ['edit', [row.kind, row.way].filter(Boolean).join(', ')],
  ['parameters', row.parameters === null ? null : whole(row.parameters)],
  ['multiply-adds', row.multiply_adds === null ? null : whole(row.multiply_adds)],
  ['latency', row.latency === null ? null : `${(1000 * row.latency).toFixed(3)} ms an image`],
  ['compiling, training', row.seconds === null ? null : duration(row.seconds)],
  ['round', row.round],
  ['tree', el('code', {}, row.tree)],
]);

function described(row, found) {
  const nodes = [];
  if (found.message) nodes.push(el('p', { class: 'bad message' }, found.message));
  if (found.problem) nodes.push(soft(found.problem));
  if (found.tree.length) {
    const title = row.parent === null ? 'Tree' : `Tree, beside that of #${row.parent}`;
    nodes.push(el('h3', {}, title), tree(found.tree, title));
  }
  if (found.plan) nodes.push(el('h3', {}, 'Why the planner chose it'), ...why(found.plan));
  if (found.idea) nodes.push(el('h3', {}, 'The idea'), el('p', {}, found.idea.text),
    soft([found.idea.place, sourceOf(found.idea.source)].filter(Boolean).join('; ')));
  if (found.choices.length || found.turned_down.length) nodes.push(el('h3', {}, 'Asked and answered'), ...dialogue(row, found));
  if (found.curve.length > 1) nodes.push(trainingOf(found.curve));
  return nodes;
}

const sourceOf = ({ authors, title, year, path }) => [authors, title, year, path].filter(Boolean).join(', ');

function why({ explanation, draws }) {
  const nodes = [el('p', {}, explanation)];
  const outcomes = Object.entries(draws?.outcomes ?? {}).filter(([, value]) => Array.isArray(value));
  const shares = outcomes.filter(([, [, low, high]]) => low >= 0 && high <= 1);
  if (shares.length) nodes.push(el('table', { class: 'plain' }, shares.map(([name, [mean, low, high]]) => el('tr', {},
    el('td', {}, name), el('td', {}, interval(low, mean, high)), el('td', { class: 'number' }, mean.toFixed(2))))));
  const utilities = Object.entries(draws?.utilities ?? {}).sort((a, b) => b[1] - a[1]).slice(0, 8);
  const most = Math.max(...utilities.map(([, value]) => value), 1e-9);
  if (utilities.length > 1) nodes.push(soft('The utilities that were drawn; the greatest was taken.'),
    el('table', { class: 'plain' }, utilities.map(([name, value]) => el('tr', {},
      el('td', {}, name), el('td', {}, bar(Math.max(0, value) / most)), el('td', { class: 'number' }, value.toFixed(3))))));
  return nodes;
}

// Proposals in their order: what was asked for each, and what the gate said.
function dialogue(row, { choices, turned_down: refused }) {
  const attempts = new Map();
  const of = (attempt) => attempts.get(attempt) ?? attempts.set(attempt, { questions: [], refusal: null }).get(attempt);
  for (const choice of choices) of(choice.attempt).questions.push(choice);
  for (const refusal of refused) of(refusal.attempt).refusal = refusal;
  return [...attempts.entries()].sort(([a], [b]) => a - b).map(([attempt, { questions, refusal }]) => el('div', { class: 'attempt' },
    el('p', {}, el('b', {}, `Proposal ${attempt + 1}: `), refusal
      ? [span('bad', `turned down, ${refusal.reason}`), refusal.message ? `: ${refusal.message}` : '',
        refusal.description ? soft(refusal.description) : null]
      : span('good', 'passed the gate')),
    questions.map((choice) => fold(`question ${row.number} ${attempt} ${choice.step}`, exchange(choice), () => [
      el('pre', {}, choice.question),
      el('p', {}, 'Answer: ', el('code', {}, JSON.stringify(choice.answer))),
      choice.problem ? el('p', { class: 'bad' }, choice.problem) : null]))));
}

function exchange({ question, answer, source, tokens, seconds }) {
  const lines = question.split('\n');
  const asks = lines.findLast((line) => line.trim().endsWith('?')) ?? lines[0];
  const words = Object.entries(answer).map(([name, value]) => {
    const option = lines.findLast((line) => line.startsWith(`${value}: `));
    return option && /^\d+$/.test(value) ? option.slice(value.length + 2) : `${name} = ${value}`;
  });
  const by = { llm: 'language model', uniform: 'by chance', fallback: 'by chance, no usable answer' }[source] ?? source;
  return [asks, ' ', el('b', {}, words.join(', ')), ' ', span('soft', `${by}, ${duration(seconds)}${tokens ? `, ${whole(tokens)} tokens` : ''}`)];
}

function trainingOf(curve) {
  const points = curve.filter((epoch) => epoch.accuracy !== null && epoch.accuracy !== undefined);
  const values = points.map((epoch) => epoch.accuracy);
  return chart({ title: 'Training', height: 200,
    x: { label: 'epoch', low: 0, high: curve.length, whole: true, format: String },
    y: { label: 'validation accuracy', low: Math.min(...values), high: Math.max(...values), format: share },
    lines: [{ kind: 'best', points: points.map((epoch) => [epoch.epoch + 1, epoch.accuracy]) }] });
}

// The table with its filters: made once, so that what is typed stays when the data are new.
const filters = { text: '', status: '', kind: '' };
const found = el('div', {});
const controls = el('div', { class: 'controls' });

function candidateTable() {
  const options = (name, label, values) => {
    if (filters[name] && !values.some(([value]) => value === filters[name])) values.push([filters[name], filters[name]]);
    return el('label', {}, span('soft', label), el('select', { id: `filter-${name}`, change: (event) => {
      filters[name] = event.target.value;
      refilter();
    } }, values.map(([value, words]) => el('option', { value, selected: filters[name] === value }, words))));
  };
  const failures = [...new Set(rows.map((row) => row.status))].filter((name) => !['ok', 'waiting'].includes(name)).sort();
  const kinds = [...new Set(rows.map((row) => row.kind))].filter(Boolean).sort();
  const selects = [
    options('status', 'status', [['', 'all'], ['trained', 'trained'], ['improved', 'better than parent'], ['front', 'on a front'],
      ['lineage', 'ancestors of the best'], ['waiting', 'waiting'], ['failed', 'failed'], ...failures.map((name) => [name, `failed: ${name}`])]),
    options('kind', 'edit', [['', 'all'], ...kinds.map((kind) => [kind, kind])]),
  ];
  if (!controls.hasChildNodes()) controls.append(el('label', { class: 'text' }, span('soft', 'filter'), el('input', {
    id: 'filter-text', type: 'search', placeholder: 'words of the edit, a status, #12 …', spellcheck: 'false', autocomplete: 'off',
    input: (event) => { filters.text = event.target.value; refilter(); } })));
  const active = document.activeElement?.id;
  controls.replaceChildren(controls.firstChild, ...selects);
  if (active?.startsWith('filter-') && document.activeElement?.id !== active) controls.querySelector(`#${active}`)?.focus();
  refilter(false);
  return [controls, found];
}

const KEEPS = {
  trained: (row) => row.accuracy !== null,
  improved: (row) => row.gain > 0,
  front: (row) => row.onFront,
  lineage: (row) => row.inLineage,
  failed: (row) => !['ok', 'waiting'].includes(row.status),
};

function refilter(anew = true) {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = rows.filter((row) => (!filters.kind || row.kind === filters.kind)
    && (!filters.status || (KEEPS[filters.status] ?? ((each) => each.status === filters.status))(row))
    && words.every((word) => row.words.includes(word)));
  if (anew && chosen.has('candidate-table')) chosen.get('candidate-table').page = 0;
  const epochs = new Set(rows.map((row) => row.epochs).filter(Boolean)).size > 1;
  const value = (name) => (row) => row[name];
  found.replaceChildren(grid('candidate-table', {
    rows: kept, pick: (row) => openCandidate(row.number), mark: (row) => row.number === run.best?.number,
    empty: rows.length ? 'No candidate is like that.' : 'None yet.',
    columns: [
      { name: '#', value: value('number'), show: (row) => link(row.number) },
      { name: 'from', value: value('parent'), wide: true },
      { name: 'edit', value: value('description'), show: (row) => el('div', { class: 'clamp' }, editOf(row)), words: true },
      { name: 'accuracy', value: value('accuracy'), show: scoreOf },
      { name: 'gain', value: value('gain'), show: (row) => (row.gain === null ? '' : gainOf(row)) },
      { name: 'parameters', value: value('parameters'), show: (row) => count(row.parameters), wide: true },
      { name: 'multiply-adds', value: value('multiply_adds'), show: (row) => count(row.multiply_adds), wide: true },
      ...(epochs ? [{ name: 'epochs', value: value('epochs'), wide: true }] : []),
      { name: 'turned down', value: value('turned_down'), show: (row) => row.turned_down || '', wide: true },
      { name: 'time', value: value('seconds'), show: (row) => duration(row.seconds), wide: true },
    ] }));
}
