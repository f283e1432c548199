// A tree as jnas.trees.picture draws it: one line a node, families in colour, what came, went or changed marked.

const MARKS = { '*': ['changed', '±'], '+': ['came', '+'], '-': ['went', '−'], '.': ['folded', ''] };

function tree(rows, label) {
  const used = [...new Set(rows.map((row) => row[2]).filter(Boolean))];
  const costs = rows.some((row) => row[5] || row[6]);
  const lines = rows.map(([name, details, family, guides, shape, parameters, adds, mark]) => {
    const [kind, sign] = MARKS[mark] ?? ['', ''];
    const levels = [...guides].map((ends, i) => {
      const own = i === guides.length - 1;
      return el('i', { class: own ? (ends === '1' ? 'corner' : 'tee') : ends === '1' ? 'gap' : 'through' });
    });
    const chip = el('span', { class: family ? 'chip' : 'place' }, name);
    if (family) chip.style.setProperty('--family', colour(family));
    return el('div', { class: `node ${kind}`, role: 'listitem' },
      el('span', { class: 'sign' }, sign), levels,
      el('span', { class: 'what' }, chip, details ? el('span', { class: 'soft' }, ` ${details}`) : null),
      el('span', { class: 'shape soft' }, shape.replace('->', '→')),
      costs ? el('span', { class: 'cost soft' }, parameters || adds ? `${parameters} · ${adds}` : '') : null);
  });
  const legend = used.map((family) => {
    const chip = el('i', { class: 'family' });
    chip.style.setProperty('--family', colour(family));
    return el('span', { class: 'key' }, chip, family);
  });
  return el('div', { class: 'tree', 'aria-label': label },
    el('div', { role: 'list', class: 'scroll' }, lines),
    el('div', { class: 'keys' }, legend, costs ? span('soft', 'at the right: parameters · multiply-adds') : null));
}

const colour = (family) => run.families[family] ?? run.families.other;
