// Elements and words. Every text of a run becomes a text node here, so that nothing of it is taken as markup.

// What is no visible character could hide or reorder other text: control, format, unassigned; a line may break.
const clean = (value) => String(value).replace(/[^\P{C}\n\t]/gu, '\ufffd');

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? '' : clean(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(clean(child)));
  }
  return node;
}

const el = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes = {}, ...children) =>
  fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);

// May be broken after a dot, a slash or a low line: names of modules and paths.
const breaking = (text) => String(text).split(/(?<=[._/])/).map((part, i) => [i ? el('wbr') : null, part]);

const soft = (...children) => el('p', { class: 'soft' }, ...children);
const span = (kind, ...children) => el('span', { class: kind }, ...children);

// Numbers, spelled as in the terminal (jnas.reports.text).
const percent = (fraction) => (fraction === null || fraction === undefined ? '–' : `${(100 * fraction).toFixed(2)} %`);
const signed = (difference) =>
  difference === null || difference === undefined
    ? '–'
    : `${difference < 0 ? '−' : '+'}${Math.abs(100 * difference).toFixed(2)}`;
const whole = (number) => number.toLocaleString('en-US');

function count(number) {
  if (number === null || number === undefined) return '–';
  for (const [unit, size] of [['G', 1e9], ['M', 1e6], ['k', 1e3]]) {
    if (Math.abs(number) >= size) {
      const value = number / size;
      return `${value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0)} ${unit}`;
    }
  }
  return String(number);
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const all = Math.round(seconds);
  const two = (value) => String(value).padStart(2, '0');
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

// What is folded open stays so when the page is drawn anew.
const opened = new Set();

function fold(key, summary, build, open = false) {
  if (open && !opened.has(`${key} seen`)) opened.add(key);
  opened.add(`${key} seen`);
  const body = el('div', { class: 'fold' });
  const node = el('details', { open: opened.has(key) }, el('summary', {}, summary), body);
  const show = () => {
    if (node.open && !body.hasChildNodes()) fill(body, {}, [build()]);
    if (node.open) opened.add(key);
    else opened.delete(key);
  };
  node.addEventListener('toggle', show);
  show();
  return node;
}
