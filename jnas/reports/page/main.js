// Draws the page from its data; a served page asks again for newer ones.

let run = null;
let rows = [];
let byNumber = new Map();

function take(content) {
  run = content;
  const names = Object.keys(run.candidates);
  rows = run.candidates.number.map((number, index) => {
    const row = { index, children: [] };
    for (const name of names) row[name] = run.candidates[name][index];
    return row;
  });
  byNumber = new Map(rows.map((row) => [row.number, row]));
  const fronts = new Set([...run.front, ...Object.values(run.fronts).flat()]);
  for (const row of rows) {
    const parent = byNumber.get(row.parent);
    row.gain = row.accuracy === null || (parent?.accuracy ?? null) === null ? null : row.accuracy - parent.accuracy;
    row.onFront = fronts.has(row.number);
    row.words = `#${row.number} ${row.description} ${row.status} ${row.kind} ${row.way} ${row.idea ?? ''} ${row.tree}`.toLowerCase();
    parent?.children.push(row.number);
  }
  for (let row = byNumber.get(run.best?.number); row; row = byNumber.get(row.parent)) row.inLineage = true;
  parts.clear();
}

const state = el('span', { class: 'state', role: 'status' });
const titles = el('div', { class: 'titles' });
const nav = el('nav', { 'aria-label': 'sections' });
const top_ = el('div', { id: 'summary' });
const hosts = new Map(SECTIONS.map(([id, title]) => [id, el('section', { id }, el('h2', {}, title), el('div', {}))]));

function draw() {
  const ways = [`start ${run.start}`, `planner ${run.planner}`, `LLM ${run.llm}`].join(', ');
  titles.replaceChildren(el('h1', {}, run.name), soft(`${run.sources.join(', ') || 'our own blocks'} on ${run.dataset}; ${ways}`));
  top_.replaceChildren();
  fill(top_, {}, summary());
  const links = [];
  for (const [id, title, make] of SECTIONS) {
    const host = hosts.get(id);
    const nodes = make();
    host.hidden = nodes === null;
    if (nodes === null) continue;
    links.push(el('a', { href: `#${id}` }, title));
    if (id === 'candidates' && host.lastChild.contains(controls)) continue; // it has filled its own places
    host.lastChild.replaceChildren();
    fill(host.lastChild, {}, [nodes]);
  }
  nav.replaceChildren(...links);
}

function themeButton() {
  const root = document.documentElement;
  const dark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches);
  return el('button', { type: 'button', class: 'theme', 'aria-label': 'light or dark', title: 'light or dark',
    click: () => { root.dataset.theme = dark() ? 'light' : 'dark'; } }, '◐');
}

function say(kind, words) {
  state.className = `state ${kind}`;
  state.textContent = words;
}

// Asks until the page is closed; a server that went away is waited for.
async function follow() {
  let revision = '';
  let wait = 2000;
  for (;;) {
    try {
      const reply = await fetch('content.json', { cache: 'no-store', headers: revision ? { 'If-None-Match': revision } : {} });
      if (reply.status === 200) {
        revision = reply.headers.get('ETag');
        const news = await reply.json();
        if (JSON.stringify(news) !== JSON.stringify(run)) {
          take(news);
          draw();
        }
      } else if (reply.status !== 304) throw new Error(await reply.text());
      say('live', run.finished ? 'finished' : 'following');
      wait = 2000;
    } catch (error) {
      say('lost', 'connection lost, trying again');
      wait = Math.min(2 * wait, 15000);
    }
    await new Promise((resolve) => { setTimeout(resolve, wait); });
  }
}

take(JSON.parse(document.getElementById('content').textContent));
document.body.append(
  el('header', { class: 'top' }, titles, state, themeButton()), nav,
  el('main', {}, top_, [...hosts.values()]), dialog);
say(run.finished ? '' : 'open', run.finished ? 'finished' : 'not finished');
draw();
if (document.body.dataset.live === '1') follow();
