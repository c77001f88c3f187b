// Rationales: a list of which only the visible part is in the document, filters, and one text in full.
const ROW = 58; // px, the height of a list's entry

const state = { rows: [], at: 0 };

let texts;

// Of every row its question, its speaker and what is searched, once.
function indexed({ questions, speakers, rows }) {
  const length = rows.question.length,
    words = new Uint16Array(length),
    searched = new Array(length),
    byQuestion = questions.map(() => []);
  for (let row = 0; row < length; row += 1) {
    byQuestion[rows.question[row]].push(row);
    const said = rows.texts[row].join("\n");
    words[row] = said.trim() ? said.trim().split(/\s+/).length : 0;
    searched[row] = said;
  }
  return { questions, speakers, rows, words, searched, byQuestion, length };
}

const speakerOf = (row) => texts.speakers[texts.rows.speaker[row]];
const questionOf = (row) => texts.questions[texts.rows.question[row]];

function drawRationales(data) {
  texts = indexed(data);
  if (!texts.length) return;
  drawFilters();
  const list = one(".list");
  list.addEventListener("scroll", () => requestAnimationFrame(drawList), { passive: true });
  list.addEventListener("keydown", moveInList);
  list.addEventListener("click", (event) => {
    const entry = event.target.closest("[data-place]");
    if (entry) {
      openRow(Number(entry.dataset.place));
      if (narrow()) one(".detail").scrollIntoView({ block: "start" });
    }
  });
  addEventListener("resize", drawList);
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) {
      fields.words.focus();
      event.preventDefault();
    }
  });
  reveal("rationales");
  filter();
}

const narrow = () => matchMedia("(max-width: 50rem)").matches;

function drawList() {
  const list = one(".list"),
    first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4);
  const last = Math.min(state.rows.length, first + Math.ceil(list.clientHeight / ROW) + 8);
  const entries = [];
  for (let place = first; place < last; place += 1) entries.push(listEntry(place));
  one(".room").replaceChildren(...entries);
}

function listEntry(place) {
  const row = state.rows[place],
    who = speakerOf(row),
    outcome = texts.rows.outcome[row];
  return made(
    "div",
    {
      role: "option",
      id: `row-${place}`,
      "data-place": place,
      "data-outcome": outcome,
      "aria-selected": String(place === state.at),
      "aria-setsize": state.rows.length,
      "aria-posinset": place + 1,
      style: `top:${place * ROW}px`,
    },
    mark(outcome),
    made("span", { class: "said" }, texts.searched[row].trim().slice(0, 160) || "(nothing)"),
    made(
      "span",
      { class: "quiet" },
      `${who.label}${who.split ? `, ${who.split}` : ""} · ${questionOf(row).id}`,
    ),
  );
}

const mark = (outcome) =>
  made(
    "span",
    { class: "mark", "data-outcome": outcome, title: OUTCOMES[outcome] },
    { right: "✓", wrong: "✗", none: "–" }[outcome],
  );

function moveInList(event) {
  const page = Math.max(1, Math.floor(one(".list").clientHeight / ROW) - 1);
  const to = {
    ArrowDown: state.at + 1,
    j: state.at + 1,
    ArrowUp: state.at - 1,
    k: state.at - 1,
    PageDown: state.at + page,
    PageUp: state.at - page,
    Home: 0,
    End: Infinity,
  }[event.key];
  if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  openRow(Math.max(0, Math.min(state.rows.length - 1, to)));
}

function openRow(place) {
  const list = one(".list"),
    above = place * ROW,
    below = above + ROW - list.clientHeight;
  state.at = place;
  if (list.scrollTop > above) list.scrollTop = above;
  if (list.scrollTop < below) list.scrollTop = below;
  drawList();
  if (state.rows.length) list.setAttribute("aria-activedescendant", `row-${place}`);
  else list.removeAttribute("aria-activedescendant");
  drawDetail(state.rows[place]);
}

// ---------------------------------------------------------------- lengths of what is left

function drawLengths() {
  const groups = new Map();
  for (const row of state.rows) {
    const label = speakerOf(row).label;
    if (!groups.has(label)) groups.set(label, []);
    groups.get(label).push(row);
  }
  const longest =
    state.rows.map((row) => texts.words[row]).sort((a, b) => a - b)[Math.floor(0.99 * state.rows.length)] ??
    0;
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((size) => longest / size <= 24) ?? 1000,
    count = Math.floor(longest / step) + 1;
  const panels = [...groups].map(([label, rows]) => {
    const bins = Array.from({ length: count }, (_, place) => ({
      from: place * step,
      right: 0,
      wrong: 0,
      none: 0,
    }));
    for (const row of rows)
      bins[Math.min(count - 1, Math.floor(texts.words[row] / step))][texts.rows.outcome[row]] += 1;
    return lengthPanel(label, bins, step);
  });
  one(".note", section("lengths")).replaceChildren(
    "Words of the rationales that the filters leave: ",
    ...Object.entries(OUTCOMES).map(([kind, words]) =>
      made("span", { class: "key" }, made("i", { style: `background:var(--${kind})` }), words),
    ),
    " The last bar has all that are longer.",
  );
  one(".panels", section("lengths")).replaceChildren(...panels);
}
