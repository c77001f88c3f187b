// Charts: loss curves, what became of completions, costs, lengths.
function drawLosses(losses) {
  if (!losses.length) return;
  const box = section("losses");
  legend(one(".legend", box), distinct(losses.map((curve) => curve.label)));
  for (const [title, curves] of byPlace(losses)) one(".panels", box).append(lossPanel(title, curves));
  reveal("losses");
}

function lossPanel(title, curves) {
  const all = curves
    .flatMap((curve) => [...curve.train_loss, ...curve.validation_loss])
    .filter((value) => value !== null && value > 0);
  const least = Math.min(...all),
    most = Math.max(...all),
    logarithmic = most > 20 * least;
  const epochs = Math.max(...curves.map((curve) => curve.train_loss.length));
  const x = sideways([1, Math.max(epochs, 2)]),
    y = upwards(logarithmic ? [least, most] : [0, most], logarithmic);
  const marks = curves.flatMap((curve) => {
    const line = (values, dashes) =>
      drawn("polyline", {
        fill: "none",
        stroke: colour(curve.label),
        "stroke-dasharray": dashes,
        "stroke-width": dashes ? 1.25 : 2,
        points: values
          .map((value, place) =>
            value > 0 || (value === 0 && !logarithmic) ? `${x(place + 1)},${y(value)}` : "",
          )
          .join(" "),
      });
    const validated = curve.validation_loss.every((value) => value !== null);
    const chosen =
      curve.selected && (validated ? curve.validation_loss : curve.train_loss)[curve.selected - 1];
    const spots = curve.train_loss.map((train, place) =>
      tipped(
        drawn("circle", {
          class: "spot",
          cx: x(place + 1),
          cy: y((validated ? curve.validation_loss : curve.train_loss)[place]),
          r: 7,
        }),
        [
          `${curve.label}, seed ${curve.seed}`,
          `epoch ${place + 1}: train ${train.toFixed(4)}${validated ? `, validation ${curve.validation_loss[place].toFixed(4)}` : ""}`,
        ],
      ),
    );
    return [
      line(curve.train_loss, "4 3"),
      validated && line(curve.validation_loss, dash(curve.label)),
      chosen && drawn("circle", { cx: x(curve.selected), cy: y(chosen), r: 4, fill: colour(curve.label) }),
      ...spots,
    ].filter(Boolean);
  });
  const xTicks = ticks(1, Math.max(epochs, 2), 5).filter(Number.isInteger);
  return panel(
    title,
    x,
    y,
    distinct([1, ...xTicks]),
    logarithmic ? logTicks(least, most) : ticks(0, most),
    marks,
    "epoch",
  );
}

// ---------------------------------------------------------------- funnels

function drawFunnels(funnels) {
  if (!funnels.length) return;
  const box = section("funnels"),
    reasons = distinct(funnels.flatMap((funnel) => Object.keys(funnel.removed)));
  const known = { wrong_answer: "var(--wrong)", no_answer: "var(--none)" };
  const shade = new Map(
    reasons.map((reason, place) => [reason, known[reason] ?? `var(--line-${(place + 4) % COLOURS})`]),
  );
  one(".legend", box).append(
    made("span", {}, made("i", { style: "background:var(--right)" }), "kept"),
    ...reasons.map((reason) =>
      made("span", {}, made("i", { style: `background:${shade.get(reason)}` }), reason.replaceAll("_", " ")),
    ),
  );
  for (const [title, group] of byPlace(funnels)) {
    const rows = group.map((funnel) => {
      const parts = [
        ["kept", funnel.rows_out, "var(--right)"],
        ...Object.entries(funnel.removed).map(([reason, count]) => [
          reason.replaceAll("_", " "),
          count,
          shade.get(reason),
        ]),
      ];
      const words = parts.map(([reason, count]) => `${count.toLocaleString("en")} ${reason}`).join(", ");
      const bar = made(
        "div",
        { class: "bar", role: "img", "aria-label": words },
        parts.map(([reason, count, fill]) =>
          tipped(made("span", { style: `flex-grow:${count};background:${fill}` }), [
            reason,
            `${count.toLocaleString("en")} of ${funnel.rows_in.toLocaleString("en")}, ${percent(count / funnel.rows_in)} %`,
          ]),
        ),
      );
      return made(
        "div",
        { class: "funnel" },
        made("span", {}, ...breakable(funnel.whose)),
        bar,
        made(
          "span",
          { class: "quiet" },
          `${words}; ${funnel.questions_out.toLocaleString("en")} of ${plural(funnel.questions_in, "question")}`,
        ),
      );
    });
    one(".bars", box).append(made("h3", {}, title), ...rows);
  }
  reveal("funnels");
}

// ---------------------------------------------------------------- costs

function drawCosts({ points, kinds }) {
  const box = section("costs"),
    choice = one("select", box);
  if (!Object.keys(kinds).length) return;
  choice.append(...Object.entries(kinds).map(([name, words]) => made("option", { value: name }, words)));
  legend(one(".legend", box), distinct(points.map((point) => point.label)));
  const draw = () =>
    one(".panels", box).replaceChildren(
      ...[...byPlace(points)]
        .map(([title, group]) => costPanel(title, group, choice.value, kinds))
        .filter(Boolean),
    );
  choice.addEventListener("change", draw);
  draw();
  reveal("costs");
}

function costPanel(title, group, kind, kinds) {
  const known = group.filter((point) => point[kind] !== null);
  if (!known.length) return null;
  const most = Math.max(...known.map((point) => point[kind]), 1e-9);
  const x = sideways([0, most]),
    y = upwards([0, 100]);
  const marks = known.flatMap((point) => {
    const at = x(point[kind]),
      stroke = colour(point.label);
    return [
      drawn("line", {
        x1: at,
        x2: at,
        y1: y(100 * point.low),
        y2: y(100 * point.high),
        stroke,
        "stroke-width": 1.5,
      }),
      tipped(drawn("circle", { cx: at, cy: y(100 * point.accuracy), r: 5, fill: stroke }), [
        point.label,
        `${kinds[kind]}: ${short(point[kind])}`,
        `${percent(point.accuracy)} %, ${percent(point.low)} to ${percent(point.high)}`,
      ]),
    ];
  });
  return panel(title, x, y, ticks(0, most, 3), [0, 25, 50, 75, 100], marks, kinds[kind], " %");
}

// ---------------------------------------------------------------- lengths

// `bins`: [{from, right, wrong, none}] in steps of `step` words.
function lengthPanel(title, bins, step) {
  const most = Math.max(...bins.map((bin) => bin.right + bin.wrong + bin.none), 1),
    last = bins.at(-1).from + step;
  const x = scale([0, last], LEFT, WIDTH - RIGHT),
    y = upwards([0, most]);
  const marks = bins.map((bin) => {
    let under = 0;
    const parts = ["right", "wrong", "none"]
      .filter((kind) => bin[kind])
      .map((kind) => {
        under += bin[kind];
        return drawn("rect", {
          x: x(bin.from) + 0.5,
          width: Math.max(1, x(bin.from + step) - x(bin.from) - 1),
          y: y(under),
          height: y(under - bin[kind]) - y(under),
          fill: `var(--${kind})`,
        });
      });
    return tipped(drawn("g", {}, parts), [
      `${bin.from} to ${bin.from + step - 1} words`,
      `${bin.right} right, ${bin.wrong} wrong, ${bin.none} without an answer`,
    ]);
  });
  return panel(title, x, y, ticks(0, last, 4), ticks(0, most, 3), marks, "words");
}
