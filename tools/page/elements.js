// Elements: all text goes through textContent, so that no text of a model is ever markup.
const SVG = "http://www.w3.org/2000/svg";

function made(name, attributes = {}, ...inside) {
  const element = document.createElement(name);
  return filled(element, attributes, inside);
}

function drawn(name, attributes = {}, ...inside) {
  return filled(document.createElementNS(SVG, name), attributes, inside);
}

function filled(element, attributes, inside) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...inside.flat().filter((one) => one !== null && one !== undefined && one !== ""));
  return element;
}

const one = (selector, within = document) => within.querySelector(selector);
const section = (name) => document.getElementById(name);
const percent = (share, places = 1) => (100 * share).toFixed(places);
const distinct = (values) => [...new Set(values)];
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
const short = (number) =>
  number >= 1000 ? number.toLocaleString("en", { maximumFractionDigits: 0 }) : String(+number.toPrecision(3));

// A name that may be broken after its joints.
function breakable(name) {
  return name.split(/(?<=[_/])/).flatMap((part, place) => (place ? [made("wbr"), part] : [part]));
}

function reveal(name, title) {
  section(name).hidden = false;
  one("header nav").append(made("a", { href: `#${name}` }, title ?? one("h2", section(name)).textContent));
}

// The tip beside what the pointer or the keyboard is on; lines of text.
const tip = section("tip");

function tipped(element, lines) {
  const show = () => {
    tip.replaceChildren(...lines.map((line, place) => made(place ? "div" : "b", {}, line)));
    tip.hidden = false;
    const at = element.getBoundingClientRect(),
      own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.left + at.width / 2 - own.width / 2), innerWidth - own.width - 8);
    const above = at.top - own.height - 8;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above > 8 ? above : at.bottom + 8}px`;
  };
  const hide = () => {
    tip.hidden = true;
  };
  for (const [event, action] of [
    ["pointerenter", show],
    ["pointerleave", hide],
    ["focus", show],
    ["blur", hide],
  ]) {
    element.addEventListener(event, action);
  }
  return element;
}

addEventListener(
  "scroll",
  () => {
    tip.hidden = true;
  },
  { capture: true, passive: true },
);
addEventListener("keydown", (event) => {
  if (event.key === "Escape") tip.hidden = true;
});
