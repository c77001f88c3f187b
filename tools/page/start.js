// Start: unpack the data and draw what there is of it.
async function unpacked() {
  const bytes = Uint8Array.from(atob(section("data").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// Where no text is there, the lengths of what was kept for training, as metrics/funnels counts them.
function drawKeptLengths(funnels) {
  const known = funnels.filter((funnel) => Object.keys(funnel.words).length);
  if (!known.length) return;
  const last = Math.max(...known.flatMap((funnel) => Object.keys(funnel.words).map(Number)));
  one(".note", section("lengths")).textContent = "Words of the rationales that were kept for training.";
  for (const funnel of known) {
    const bins = [];
    for (let from = 0; from <= last; from += 20)
      bins.push({ from, right: funnel.words[String(from).padStart(3, "0")] ?? 0, wrong: 0, none: 0 });
    one(".panels", section("lengths")).append(
      lengthPanel(`${where(funnel.dataset, funnel.split)}: ${funnel.teacher}/${funnel.curation}`, bins, 20),
    );
  }
}

async function start() {
  const data = await unpacked(),
    { rows, found, missing } = data;
  document.title = `cot-distill: ${data.preset}`;
  one("h1").textContent = `${data.preset}, a run of cot-distill`;
  section("about").textContent =
    `${data.cells.length} of ${data.declared} cells` +
    (rows.question.length
      ? `, ${plural(rows.question.length, "rationale")}${rows.question.length < found ? ` of ${found.toLocaleString("en")}: all that was said to ${plural(data.questions.length, "question")}` : ""}.`
      : ".") +
    (missing.length
      ? ` Not there when this page was made: ${missing[0]}${missing.length > 1 ? ` and ${missing.length - 1} more` : ""}; \`dvc repro\` makes them, \`dvc pull\` brings them.`
      : "");
  colours = new Map(data.grid.lines.map(({ label }, place) => [label, place]));
  drawGrid(data.grid, choose);
  drawRationales(data);
  if (!rows.question.length) drawKeptLengths(data.funnels);
  if (one(".panels", section("lengths")).childElementCount) reveal("lengths");
  drawLosses(data.losses);
  drawFunnels(data.funnels);
  drawCosts(data.costs);
  document.documentElement.dataset.ready = "";
}

start().catch((error) => {
  section("about").textContent = `This page cannot be drawn: ${error.message}`;
  throw error;
});
