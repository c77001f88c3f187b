// Grid: accuracy as a heat map, a line a way of teaching, a column a data set and split.
function drawGrid(grid, choose) {
  const table = one("table", section("grid"));
  const head = (title) => made("th", { scope: "col" }, ...title);
  const groups = distinct(grid.columns.map(groupOf));
  const over = groups.map((group) =>
    made(
      "th",
      { scope: "colgroup", colspan: grid.columns.filter((c) => groupOf(c) === group).length },
      group,
    ),
  );
  const names = grid.columns.map(([dataset, , target]) =>
    head(breakable(target ? `${dataset} → ${target}` : dataset)),
  );
  const lines = grid.lines.map((line) =>
    made(
      "tr",
      {},
      made("th", { scope: "row" }, ...breakable(line.label)),
      line.values.map((value, place) => heatCell(line.label, grid.columns[place], value, choose)),
    ),
  );
  const references = [
    ["chance", "chance"],
    ["the teacher", "teacher_accuracy"],
  ].map(([title, name]) =>
    made(
      "tr",
      { class: "reference" },
      made("th", { scope: "row" }, title),
      grid.columns.map((_, place) => {
        const value = grid.lines
          .map((line) => line.values[place]?.[name])
          .find((found) => found !== undefined);
        return made("td", {}, value === undefined ? "" : percent(value));
      }),
    ),
  );
  table.append(
    made("thead", {}, made("tr", {}, made("td"), over), made("tr", {}, made("td"), names)),
    made("tbody", {}, references, lines),
  );
  table.addEventListener("keydown", moveInGrid);
  reveal("grid");
}

const groupOf = ([, split, target]) => (target ? `${split}, asked another data set` : `split ${split}`);

function heatCell(label, [dataset, split, target], value, choose) {
  if (!value) return made("td", { class: "gap" }, "–");
  const place = target ? `${dataset} → ${target}` : dataset;
  const button = made(
    "button",
    {
      type: "button",
      style: `--heat:${percent(value.accuracy, 0)}%`,
      "data-heat": value.accuracy > 0.77 ? "high" : value.accuracy > 0.62 ? "middle" : null,
    },
    made("b", {}, percent(value.accuracy)),
    made("small", {}, `${percent(value.low)} – ${percent(value.high)}`),
  );
  button.addEventListener("click", () =>
    choose({ dataset: target ?? dataset, split, label: target ? `${label}, learned ${dataset}` : label }),
  );
  const seeds =
    value.n_seeds > 1
      ? `${value.n_seeds} seeds, from ${percent(value.min)} to ${percent(value.max)}, sd ${percent(value.sd)}`
      : null;
  const also = [
    ["chance", "chance"],
    ["teacher", "teacher_accuracy"],
    ["no answer", "no_answer_rate"],
    ["not cut off", "completion_rate"],
  ]
    .filter(([, name]) => value[name] !== undefined)
    .map(([words, name]) => `${words} ${percent(value[name])} %`);
  return made(
    "td",
    {},
    tipped(
      button,
      [
        label,
        where(place, split),
        `${percent(value.accuracy)} % of ${value.n} questions, ${percent(value.low)} to ${percent(value.high)}`,
        seeds,
        ...also,
        `${short(value.words)} words on average`,
      ].filter(Boolean),
    ),
  );
}

function moveInGrid(event) {
  const cell = event.target.closest("td"),
    step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!cell || !step) return;
  const row = cell.parentElement,
    next = row.parentElement.rows[row.sectionRowIndex + step[1]];
  const found = next && one("button", next.cells[cell.cellIndex + step[0]] ?? made("td"));
  if (found) {
    found.focus();
    event.preventDefault();
  }
}
