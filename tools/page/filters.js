// Filters: which rationales are listed.
const OUTCOMES = { right: "right", wrong: "wrong", none: "no answer" };
const fields = {};

function drawFilters() {
  const lists = {
    dataset: ["Data set", distinct(texts.speakers.map((who) => who.dataset))],
    label: ["Who", distinct(texts.speakers.map((who) => who.label))],
    split: ["Split", distinct(texts.speakers.map((who) => who.split).filter(Boolean))],
    outcome: ["Outcome", [...Object.keys(OUTCOMES), "differs", "noted"]],
  };
  const titles = { ...OUTCOMES, differs: "read in two ways", noted: "with a note" };
  for (const [name, [title, values]] of Object.entries(lists)) {
    fields[name] = made(
      "select",
      { name },
      made("option", { value: "" }, "all"),
      values.map((value) => made("option", { value }, titles[value] ?? value)),
    );
    fields[name].addEventListener("change", filter);
    one(".filters").append(made("label", {}, made("span", {}, title), fields[name]));
  }
  fields.words = made("input", {
    type: "search",
    name: "words",
    placeholder: "words in question or text",
    autocomplete: "off",
    spellcheck: "false",
  });
  let waiting;
  fields.words.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  });
  const clear = made("button", { type: "button" }, "Clear");
  clear.addEventListener("click", () => choose({}));
  one(".filters").append(
    made("label", { class: "search" }, made("span", {}, "Search ( / )"), fields.words),
    clear,
  );
  one(".filters").addEventListener("submit", (event) => event.preventDefault());
}

// Set the filters to `wanted` and show what is left.
function choose(wanted) {
  if (!texts?.length) return;
  for (const [name, field] of Object.entries(fields)) {
    field.value = wanted[name] ?? "";
    if (field.selectedIndex === -1) field.value = ""; // nobody of this kind has said anything
  }
  filter();
  if (wanted.label) section("rationales").scrollIntoView();
}

function filter() {
  const { rows } = texts,
    { dataset, label, split, outcome, words } = Object.fromEntries(
      Object.entries(fields).map(([name, field]) => [name, field.value]),
    );
  const wanted = texts.speakers.map(
    (who) =>
      (!dataset || who.dataset === dataset) &&
      (!label || who.label === label) &&
      (!split || !who.split || who.split === split),
  );
  const pattern = words.trim() && new RegExp(words.trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
  const asked =
    pattern && texts.questions.map((question) => pattern.test(question.text) || question.id === words.trim());
  const fits =
    { "": () => true, differs: (row) => rows.lenient[row] !== null, noted: (row) => rows.notes[row] !== "" }[
      outcome
    ] ?? ((row) => rows.outcome[row] === outcome);
  state.rows = [];
  for (let row = 0; row < texts.length; row += 1) {
    if (
      wanted[rows.speaker[row]] &&
      fits(row) &&
      (!pattern || asked[rows.question[row]] || pattern.test(texts.searched[row]))
    )
      state.rows.push(row);
  }
  state.pattern = pattern;
  const right = state.rows.reduce((sum, row) => sum + (rows.outcome[row] === "right"), 0);
  section("count").textContent =
    `${plural(state.rows.length, "rationale")} of ${texts.length.toLocaleString("en")}` +
    (state.rows.length ? `, ${percent(right / state.rows.length)} % right` : "");
  one(".list").scrollTop = 0;
  one(".room").style.height = `${state.rows.length * ROW}px`;
  openRow(0);
  drawLengths();
}
