// Tables that are sorted by a click and shown page by page; what was chosen stays when the data are new.

const PAGE = 50;
const chosen = new Map();

// `columns`: {name, value: row -> what it is sorted by, show: row -> content, words, wide: left out on a phone}. `sort`:
// [column, descending] at the beginning. `pick`: called with the row that was clicked.
function grid(id, { columns, rows, sort = null, pick = null, mark = () => false, empty = 'None yet.' }) {
  if (!chosen.has(id)) chosen.set(id, { sort, page: 0 });
  const state = chosen.get(id);
  const host = el('div', { class: 'grid', id });
  const draw = (focus = null) => {
    const found = sorted(rows, columns, state.sort);
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    const heads = columns.map((column, i) => {
      const mine = state.sort?.[0] === i;
      const button = el('button', { type: 'button', click: () => {
        state.sort = [i, mine ? !state.sort[1] : !column.words];
        state.page = 0;
        draw(`th:nth-child(${i + 1}) button`);
      } }, column.name, span('arrow', mine ? (state.sort[1] ? ' ↓' : ' ↑') : ''));
      const order = mine ? (state.sort[1] ? 'descending' : 'ascending') : null;
      return el('th', { scope: 'col', class: kindOf(column), 'aria-sort': order }, button);
    });
    const shown = found.slice(state.page * PAGE, (state.page + 1) * PAGE);
    const body = shown.map((row) => {
      const line = el('tr', { class: mark(row) ? 'winner' : null },
        columns.map((column) => el('td', { class: kindOf(column) }, (column.show ?? column.value)(row))));
      if (pick) line.addEventListener('click', (event) => {
        if (!event.target.closest('button') && !String(getSelection())) pick(row);
      });
      return line;
    });
    const table = el('table', { class: pick ? 'pick' : null }, el('thead', {}, el('tr', {}, heads)), el('tbody', {}, body));
    const turn = (by) => el('button', { type: 'button', class: by < 0 ? 'back' : 'on',
      disabled: state.page + by < 0 || state.page + by >= pages,
      click: () => { state.page += by; draw(by < 0 ? '.back' : '.on'); } }, by < 0 ? '‹ back' : 'on ›');
    const first = state.page * PAGE;
    const pager = el('div', { class: 'pager' }, turn(-1),
      span('soft', `${whole(first + 1)}–${whole(first + shown.length)} of ${whole(found.length)}`), turn(1));
    host.replaceChildren(...(found.length ? [el('div', { class: 'scroll' }, table)] : [soft(empty)]),
      ...(pages > 1 ? [pager] : []));
    if (focus) host.querySelector(focus)?.focus();
  };
  draw();
  return host;
}

const kindOf = (column) => (column.words ? 'words' : 'number') + (column.wide ? ' wide' : '');

function sorted(rows, columns, sort) {
  if (!sort) return rows;
  const [value, sign] = [columns[sort[0]].value, sort[1] ? -1 : 1];
  const absent = (key) => key === null || key === undefined || key === '';
  const keyed = rows.map((row, i) => [value(row), i, row]);
  keyed.sort(([a, i], [b, j]) => {
    if (absent(a) || absent(b)) return absent(a) - absent(b) || i - j;
    return sign * (typeof a === 'string' ? a.localeCompare(b) : a - b) || i - j;
  });
  return keyed.map(([, , row]) => row);
}

// Few rows of names and values.
const facts = (rows) => el('dl', {}, rows.filter(([, value]) => value !== null && value !== '').map(([name, ...value]) =>
  [el('dt', {}, name), el('dd', {}, value)]));

const bar = (share) => {
  const inner = el('i');
  inner.style.width = `${(100 * share).toFixed(1)}%`;
  return el('span', { class: 'bar' }, inner);
};
