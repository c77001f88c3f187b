// Detail: one rationale in full, with all else that was said to its question.
function drawDetail(row) {
  const box = one(".detail");
  box.scrollTop = 0;
  if (row === undefined) {
    box.replaceChildren(made("p", { class: "quiet" }, "No rationale is left: clear a filter."));
    return;
  }
  const question = questionOf(row),
    parts = Object.entries(question.parts).map(([split, part]) => `${split}: ${part}`);
  const others = texts.byQuestion[texts.rows.question[row]].filter((other) => other !== row);
  box.replaceChildren(
    made("p", { class: "quiet" }, [question.id, question.subtask, ...parts].filter(Boolean).join(" · ")),
    made("p", { class: "question" }, ...marked(question.text.trim())),
    made("p", {}, "Gold answer: ", made("b", {}, question.answer)),
    said(row),
    others.length ? made("h3", {}, `${plural(others.length, "other text")} on this question`) : null,
    ...others.map((other) =>
      made("details", {}, made("summary", {}, mark(texts.rows.outcome[other]), named(other)), said(other)),
    ),
  );
}

function named(row) {
  const who = speakerOf(row),
    seed = who.seed ? `, seed ${who.seed}` : "",
    sample = texts.rows.sample[row] ? `, sample ${texts.rows.sample[row]}` : "";
  return `${who.label}${who.split ? `, ${who.split}` : ""}${seed}${sample}`;
}

function said(row) {
  const { outcome, read, lenient, notes, texts: steps } = texts.rows;
  const answer = read[row] === null ? "no answer was read" : ["read: ", made("b", {}, read[row])];
  return made(
    "div",
    { class: "text", "data-outcome": outcome[row] },
    made("p", { class: "who" }, named(row)),
    ...steps[row].map((step) => made("p", { class: "step" }, ...marked(step.trim() || "(nothing)"))),
    made("p", { class: "verdict" }, mark(outcome[row]), answer, ` · ${OUTCOMES[outcome[row]]}`),
    lenient[row] === null ? null : made("p", { class: "quiet" }, `the looser rule reads: ${lenient[row]}`),
    notes[row] ? made("p", { class: "quiet" }, notes[row]) : null,
  );
}

// A text with what is searched for marked.
function marked(text) {
  if (!state.pattern) return [text];
  const found = [],
    pattern = new RegExp(state.pattern.source, "gi");
  let at = 0;
  for (const hit of text.matchAll(pattern)) {
    found.push(text.slice(at, hit.index), made("mark", {}, hit[0]));
    at = hit.index + hit[0].length;
  }
  return [...found, text.slice(at)];
}
