// The sections of the page: each makes its content of the run, or null where the run has nothing for it.

const share = (value) => `${Number((100 * value).toPrecision(4))} %`;
const SECTIONS = [
  ['accuracy', 'Accuracy', accuracySection],
  ['front', 'Pareto fronts', frontSection],
  ['best', 'Best tree', bestSection],
  ['lineage', 'Lineage', lineageSection],
  ['candidates', 'Candidates', candidateTable],
  ['planner', 'Planner', plannerSection],
  ['knowledge', 'Knowledge', knowledgeSection],
  ['blocks', 'Blocks', blocksSection],
  ['failures', 'Failures', failuresSection],
  ['cost', 'Cost', costSection],
  ['fidelity', 'Fidelity', fidelitySection],
  ['settings', 'Settings', settingsSection],
];

function summary() {
  const { best, test, cost } = run;
  const tile = (name, value, note = null) => el('div', { class: 'tile' }, span('soft', name), el('b', {}, value), note ? span('soft', note) : null);
  const tokens = cost.models.reduce((sum, model) => sum + model.input_tokens + model.output_tokens, 0);
  const dollars = cost.models.every((model) => model.dollars !== null)
    ? cost.models.reduce((sum, model) => sum + model.dollars, 0) : null;
  const seeds = test.seeds > 1 ? `, ${test.seeds} seeds` : '';
  const gained = best && run.start_accuracy !== null ? `${signed(best.accuracy - run.start_accuracy)} over the start tree` : null;
  return [
    el('div', { class: 'tiles' },
      test.best === null ? null : tile('test, best tree', percent(test.best),
        test.start === null ? null : `start tree ${percent(test.start)}${seeds}`),
      tile('validation, best tree', percent(best?.accuracy), gained),
      tile('trained', `${whole(run.trained)} of ${whole(run.budget)}`, `${whole(run.turned_down)} proposals turned down`),
      tile('time', duration(cost.seconds), `${duration(cost.training)} of training`),
      tile('language model', tokens ? `${count(tokens)} tokens` : 'not asked',
        tokens ? (dollars === null ? 'price not known' : dollars ? `$${dollars.toFixed(dollars < 0.1 ? 4 : 2)}` : 'free') : null)),
    test.best === null ? null
      : soft('Test: accuracy after the same longer training of both trees, on images that the search never sees.'),
  ];
}

function accuracySection() {
  if (!rows.length) return [soft('No candidate yet.')];
  const [low, high] = run.accuracy_axis;
  const done = rows.filter((row) => row.status !== 'waiting');
  const inHours = Math.max(0, ...done.map((row) => row.ended ?? 0)) > 5400;
  const unit = inHours ? 3600 : 60;
  const start = byNumber.get(0)?.accuracy ?? null;
  const plot = (title, label, at, wholes, order) => {
    const points = order.filter((row) => row.accuracy !== null);
    const stairs = [];
    for (const row of points)
      if (!stairs.length || row.accuracy > stairs.at(-1)[1]) stairs.push([at(row), row.accuracy]);
    const end = Math.max(1e-9, ...order.map(at));
    if (stairs.length) stairs.push([end, stairs.at(-1)[1]]);
    const dots = { other: [], improved: [], below: [], failed: [] };
    for (const row of order) {
      const kind = row.accuracy === null ? 'failed' : row.accuracy < low ? 'below' : row.gain > 0 ? 'improved' : 'other';
      dots[kind].push({ x: at(row), y: row.accuracy === null ? null : row.accuracy, row });
    }
    const inside = start !== null && start >= low;
    return chart({ title, x: { label, low: 0, high: end, whole: wholes, format: whole },
      y: { label: 'validation accuracy', low, high, format: share },
      lines: [...(inside ? [{ kind: 'start', points: [[0, start], [end, start]] }] : []), { kind: 'best', stairs: true, points: stairs }],
      dots: Object.entries(dots).map(([kind, found]) => ({ kind, points: found })),
      legend: [['best', `best so far ${percent(stairs.at(-1)?.[1])}`], ['start', `start tree ${percent(start)}`],
        ['improved', 'better than its parent'], ['other', 'not better'],
        ...(dots.below.length ? [['below', `${whole(dots.below.length)} below the axis`]] : []),
        ...(dots.failed.length ? [['failed', `${whole(dots.failed.length)} failed`]] : [])] });
  };
  const byTime = [...done].sort((a, b) => a.ended - b.ended);
  return [el('div', { class: 'figures' },
    plot('Over candidates', 'candidate', (row) => row.number, true, done),
    plot('Over time', `${inHours ? 'hours' : 'minutes'} since the first proposal, pauses included`, (row) => row.ended / unit, false, byTime))];
}

const roundCount = (value) => count(value).replace(/(\.\d*?)0+(?= )/, '$1').replace('. ', ' ');
const FRONTS = {
  parameters: ['Parameters', 'parameters', (row) => row.parameters, roundCount],
  multiply_adds: ['Multiply-adds', 'multiply-adds of an image', (row) => row.multiply_adds, roundCount],
  latency: ['Latency', 'ms an image, where it was trained', (row) => (row.latency === null ? null : 1000 * row.latency),
    (value) => String(Number(value.toPrecision(3)))],
};

function frontSection() {
  const [low, high] = run.accuracy_axis;
  const plots = Object.entries(run.fronts).map(([name, numbers]) => {
    const [title, label, at, format] = FRONTS[name];
    const known = rows.filter((row) => row.accuracy !== null && at(row) !== null);
    const best = new Set(numbers);
    const front = known.filter((row) => best.has(row.number)).sort((a, b) => at(a) - at(b));
    const dot = (row) => ({ x: at(row), y: row.accuracy, row });
    const values = known.map(at);
    const stairs = front.map((row) => [at(row), row.accuracy]);
    const rest = known.filter((row) => !best.has(row.number));
    return chart({ title, height: 270,
      x: { label, low: Math.min(...values), high: Math.max(...values), mayBeLog: true, format },
      y: { label: 'validation accuracy', low, high, format: share },
      lines: [{ kind: 'best', points: stairs.flatMap((point, i) => (i ? [[point[0], stairs[i - 1][1]], point] : [point])) }],
      dots: [{ kind: 'other', points: rest.map(dot) }, { kind: 'improved', points: front.map(dot) }],
      legend: [['improved', `${whole(front.length)} on the front`], ['other', 'beaten in both']] });
  });
  if (!plots.length) return null;
  const of = run.objectives.map((name) => name.replace('_', '-')).join(', ');
  return [el('div', { class: 'figures' }, plots), run.front.length ? [
    soft(`The planner traded off ${of}: no candidate is better than one of these in one of them and worse in none.`),
    grid('front-table', { rows: run.front.map((number) => byNumber.get(number)), pick: (row) => openCandidate(row.number), columns: [
      { name: '#', value: (row) => row.number, show: (row) => link(row.number) },
      { name: 'edit', value: (row) => row.description, show: editOf, words: true },
      { name: 'accuracy', value: (row) => row.accuracy, show: (row) => percent(row.accuracy) },
      { name: 'parameters', value: (row) => row.parameters, show: (row) => count(row.parameters) },
      { name: 'multiply-adds', value: (row) => row.multiply_adds, show: (row) => count(row.multiply_adds) },
      { name: 'ms an image', value: (row) => row.latency, show: (row) => (row.latency === null ? '' : (1000 * row.latency).toFixed(3)), wide: true },
    ] })] : null];
}

function bestSection() {
  const { best } = run;
  if (!best) return [soft('No candidate is trained yet.')];
  return [el('p', {}, 'Candidate ', link(best.number), `, ${percent(best.accuracy)} on validation. `,
    rows.some((row) => row.accuracy > best.accuracy) ? 'Trained longer it was ahead of those that had looked better. ' : '',
    best.number ? 'What differs from the start tree is marked.' : 'It is the start tree.'),
  best.problem ? soft(best.problem) : tree(best.tree, `Tree of candidate ${best.number}`)];
}

const STEPS = 40; // of a lineage, that are shown at first

function lineageSection() {
  if (!run.best) return null;
  const steps = [];
  for (let row = byNumber.get(run.best.number); row; row = row.parent === null ? null : byNumber.get(row.parent)) steps.unshift(row);
  const step = (row) => el('li', {}, fold(`lineage ${row.number}`, [
    span('number', `#${row.number}`), span('words', editOf(row)), status(row)], () => later(row), steps.length < 5 && row.parent !== null));
  const list = el('ol', { class: 'lineage' });
  const show = (from) => list.replaceChildren(...(from ? [el('li', {}, el('button', { type: 'button', class: 'more',
    click: () => show(Math.max(0, from - 10 * STEPS)) }, `${whole(from)} earlier steps`))] : []), ...steps.slice(from).map(step));
  show(Math.max(0, steps.length - STEPS));
  const edits = steps.length - 1;
  return [soft(`${edits === 1 ? 'One edit' : `${whole(edits)} edits`} from the start tree to the best one. Open a step: the tree before and after, why it was chosen, what was asked.`), list];
}

const trials = ([successes, all]) => `${whole(successes)} of ${whole(all)}`;
const ofShare = ([successes, all, low, high], believed = null) =>
  (all ? [interval(low, (1 + successes) / (2 + all), high, believed), el('span', { class: 'soft trials' }, trials([successes, all]))] : '–');
const rate = (name) => (row) => (row[name][1] ? (1 + row[name][0]) / (2 + row[name][1]) : null);
const gainWithin = ([mean, low, high]) => (mean === undefined ? '–'
  : [signed(mean), low === undefined ? null : span('soft', ` ${signed(low)} to ${signed(high)}`)]);

function creditTable(id, name, found, believed = {}) {
  return grid(id, { rows: found, sort: [1, true], columns: [
    { name, value: (row) => row.text || row.name, show: (row) => (row.text ? [row.text, ' ', span('soft', row.name)] : row.name), words: true },
    { name: 'drawn', value: (row) => row.drawn },
    { name: 'passed the gate', value: rate('passed'), show: (row) => ofShare(row.passed, believed[row.name]?.feasible?.[0]) },
    { name: 'better than the parent', value: rate('better'), show: (row) => ofShare(row.better, believed[row.name]?.improved?.[0]) },
    { name: 'mean gain', value: (row) => row.gain[0], show: (row) => gainWithin(row.gain), wide: true },
  ] });
}

function plannerSection() {
  const { calibration: found } = run;
  const believes = Object.keys(run.believed).length > 0;
  if (!run.arms.length && !found) return null;
  const nodes = [
    soft('Edits by kind and by the way of choosing them: posterior mean and 90 % interval of the share that passed the gate, and of those the share that was better than the parent',
      believes ? '. Diamond: what the planner believed when it last drew it.' : '.'),
    creditTable('arms', 'edit, way', run.arms, run.believed)];
  if (!found) return nodes;
  const lines = [{ kind: 'exact', points: [[0, 0], [1, 1]] }];
  const dots = [];
  const legend = [['exact', 'as said']];
  const dot = (x, y, words) => ({ x, y, words });
  if (found.levels.length) {
    lines.push({ kind: 'believed', points: found.levels.map((level, i) => [level, found.coverage[i]]) });
    dots.push({ kind: 'believed', points: found.levels.map((level, i) => dot(level, found.coverage[i],
      `${share(found.coverage[i])} of ${found.children} children lay in their ${share(level)} interval`)) });
    legend.push(['believed', 'intervals of the archive share that a child beats']);
  }
  if (found.improved.length) {
    const places = found.improved.map(({ said, better, children }) => [said, better / children]);
    lines.push({ kind: 'improving', points: places });
    for (const { said, interval: [low, high] } of found.improved) lines.push({ kind: 'within', points: [[said, low], [said, high]] });
    dots.push({ kind: 'improving', points: found.improved.map(({ said, better, children }, i) => dot(...places[i],
      `${better} of ${children} children were better, expected ${share(said)}`)) });
    legend.push(['improving', 'improvement over the parent']);
  }
  if (lines.length > 1) nodes.push(el('h3', {}, 'Calibration'), el('div', { class: 'figures' }, chart({ title: 'Said, and how often it came true', square: true,
    x: { label: 'said', low: 0, high: 1, format: share }, y: { label: 'came true', low: 0, high: 1, format: share }, lines, dots, legend })));
  return nodes;
}

function knowledgeSection() {
  const { knowledge } = run;
  if (!knowledge) return null;
  return [soft('What became of the ideas that were drawn; brackets and lines are 90 % intervals.'),
    creditTable('stages', 'stage', knowledge.stages),
    creditTable('categories', 'category', knowledge.categories),
    fold('ideas', `every idea that was drawn, ${whole(knowledge.ideas.length)}`, () => creditTable('idea-table', 'idea', knowledge.ideas))];
}

function blocksSection() {
  const verified = ({ verification, difference }) => [verification === 'right' ? span('good', 'right') : verification,
    difference === null ? null : span('soft', `, ${difference.toExponential(0)} apart at most`)];
  const licences = [...new Set(run.blocks.map((row) => row.licence).filter(Boolean))].sort();
  return [soft(`${whole(run.blocks.length)} blocks in all candidates' trees`, licences.length ? `; licences: ${licences.join(', ')}.` : '.'),
    grid('block-table', { rows: run.blocks, sort: [1, true], mark: (row) => row.in_best, columns: [
      { name: 'block', value: (row) => row.name, show: (row) => [span('name', breaking(row.name)), row.in_best ? span('soft', ' in the best tree') : null], words: true },
      { name: 'candidates', value: (row) => row.candidates },
      { name: 'best accuracy', value: (row) => row.best_accuracy, show: (row) => percent(row.best_accuracy) },
      { name: 'family', value: (row) => row.family, words: true, wide: true },
      { name: 'mined from', value: (row) => row.source, show: (row) => breaking(row.source), words: true, wide: true },
      { name: 'licence', value: (row) => row.licence, words: true },
      { name: 'against PyTorch', value: (row) => row.verification, show: verified, words: true, wide: true },
    ] })];
}

function failuresSection() {
  const { proposals, trainings } = run.failures;
  if (!proposals.length && !trainings.length) return null;
  const most = Math.max(...proposals.map((row) => row.count), 1);
  const word = (name) => ({ name, value: (row) => row[name], words: true });
  return [
    trainings.length ? [el('h3', {}, 'Trainings'), grid('failed-trainings', { rows: trainings, sort: [1, true], columns: [
      word('status'), { name: 'candidates', value: (row) => row.count },
      { name: 'the last', value: (row) => row.number, show: (row) => link(row.number) }, { ...word('message'), wide: true }] })] : null,
    proposals.length ? [el('h3', {}, 'Proposals that the gate turned down'),
      soft('They are not trained and do not count.'),
      grid('failed-proposals', { rows: proposals, sort: [2, true], columns: [
        word('reason'), { ...word('kind'), name: 'edit' },
        { name: 'proposals', value: (row) => row.count, show: (row) => [bar(row.count / most), ' ', whole(row.count)] },
        { ...word('message'), name: 'the last message', wide: true }] })] : null];
}

function costSection() {
  const { cost } = run;
  const phases = Object.entries(cost.phases).sort((a, b) => b[1] - a[1]);
  const line = (name, part, words) => el('tr', {}, el('td', {}, name), el('td', {}, bar(part)), el('td', { class: 'number' }, words));
  const table = (...children) => el('table', { class: 'plain' }, children);
  return [
    el('h3', {}, 'Time'), soft(`${duration(cost.seconds)} over all starts of this run; its workers compiled for ${duration(cost.compiling)} and trained for ${duration(cost.training)}.`),
    table(phases.map(([name, seconds]) => line(name, seconds / (cost.seconds || 1), `${duration(seconds)}, ${(100 * seconds / (cost.seconds || 1)).toFixed(1)} %`))),
    cost.models.length ? [el('h3', {}, 'Language model'), grid('models', { rows: cost.models, columns: [
      { name: 'model', value: (row) => row.model, words: true }, { name: 'calls', value: (row) => row.calls, show: (row) => whole(row.calls) },
      { name: 'input tokens', value: (row) => row.input_tokens, show: (row) => whole(row.input_tokens) },
      { name: 'output tokens', value: (row) => row.output_tokens, show: (row) => whole(row.output_tokens) },
      { name: `dollars, prices of ${cost.prices}`, value: (row) => row.dollars, show: (row) => (row.dollars === null ? 'not known' : row.dollars.toFixed(4)) }] })] : null,
    cost.answers.length ? [el('h3', {}, 'Who settled what the planner left open'), grid('answers', { rows: cost.answers, columns: [
      { name: 'by', value: (row) => row.by, words: true }, { name: 'questions', value: (row) => row.questions, show: (row) => whole(row.questions) },
      { name: 'mean time', value: (row) => row.seconds / row.questions, show: (row) => duration(row.seconds / row.questions) },
      { name: 'tokens', value: (row) => row.tokens, show: (row) => whole(row.tokens) }] })] : null,
    cost.problems.length ? [el('h3', {}, 'Questions without a usable answer'), grid('problems', { rows: cost.problems, columns: [
      { name: 'problem', value: (row) => row[0], words: true }, { name: 'questions', value: (row) => row[1] }] })] : null];
}

function fidelitySection() {
  if (!run.fidelity.length) return null;
  return [soft('How well the ranks after few epochs foretold those after more.'), grid('fidelity-table', { rows: run.fidelity, columns: [
    { name: 'epochs', value: (row) => row.epochs }, { name: 'with', value: (row) => row.later }, { name: 'candidates', value: (row) => row.candidates },
    { name: 'Kendall', value: (row) => row.kendall, show: (row) => row.kendall?.toFixed(2) ?? '–' },
    { name: '90 % interval', value: (row) => row.low, show: (row) => (row.low === null ? '–' : `${row.low.toFixed(2)} to ${row.high.toFixed(2)}`) },
    { name: 'Spearman', value: (row) => row.spearman, show: (row) => row.spearman?.toFixed(2) ?? '–' }] })];
}

function settingsSection() {
  return [el('p', {}, 'Continue with ', el('code', {}, run.command)),
    facts(Object.entries(run.versions)),
    fold('toml', 'every setting', () => el('pre', {}, run.toml))];
}
