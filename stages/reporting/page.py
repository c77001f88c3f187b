"""A report as Markdown and as one page of HTML that needs nothing else: no script, no network; light, dark
and on paper.
"""

from html import escape

from stages.reporting.spec import Item, Paper
from stages.reporting.tables import Panel, cells, filled, impossible
from stages.summarize import markdown

NOTE = """Printed numbers stand as printed. Ours: the mean over seeds ± half the 95 % Wilson interval, n test questions; of several seeds their
standard deviation, least and largest too. An empty line of ours was not run, or its axes have other names here: the patterns are in stages/reporting/published.
What departs from the paper stands beside the line's name, as far as it is known: axes, epochs, L_p (the longest answer, in tokens),
subtasks. "Kept as" names a summary that was kept under metrics/released."""
GRANULAR = """A share of n questions is a whole number of them. Here are printed percentages that are none, with the paper's own n. Last, what n would
do: those up to ten below it that allow all such numbers of the method in that column (rows that may have gone missing), and the whole data set."""
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --faint: #5a5a5a; --line: #c9c9c9; --ours: #eef5fb; --accent: #005a9c }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181b; --faint: #a8a8a8; --line: #444; --ours: #1e2a36; --accent: #7fbfff } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 84rem; margin: 0 auto; padding: 1.5rem }
h1 { line-height: 1.2 } h2 { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem } a { color: var(--accent) }
.faint, caption { color: var(--faint); font-size: .9em } caption { text-align: left; padding: .3rem 0 }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9em; margin: .5rem 0 }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top }
th:first-child { text-align: left; min-width: 12rem }
tbody th { font-weight: normal } tr.ours > * { background: var(--ours) } tr.ours th::before { content: "▸ "; color: var(--accent) }
figure { margin: 1rem 0 } figure svg { max-width: 100%; height: auto; color: var(--ink) }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt } nav { display: none }
  .wide { overflow: visible } table { font-size: 7pt } th, td { padding: .1rem .25rem }
  th:first-child { min-width: 0 } tr, figure { break-inside: avoid }
}
"""
# key -> the item, its panels, its drawing as SVG ("" without one)
Shown = dict[str, tuple[Item, list[Panel], str]]


def status(item: Item, panels: list[Panel]) -> str:
    """What of an item is ours, in words."""
    ours, empty = filled(panels)
    return "see its notes" if item.kind == "text" else f"{ours} numbers of ours, {empty} lines not run"


def table(item: Item, panel: Panel) -> list[list[str]]:
    rows = [[line.title, *cells(item, line)] for line in panel.lines]
    return [[panel.title, *panel.columns], *rows]


def safe(rows: list[list[str]]) -> list[list[str]]:
    return [[text.replace("|", "\\|") for text in row] for row in rows]


def granularity(paper: Paper) -> tuple[str, list[list[str]]]:
    """In words how many printed shares were looked at, and the table of those that cannot be."""
    looked, rows = impossible(paper)
    return f"{len(rows) - 1} of {looked} printed percentages fit no whole number of questions.", rows


def as_markdown(paper: Paper, name: str, shown: Shown, ours: str) -> str:
    overview = [
        ["item", "covers", "here"],
        *([item.title, ", ".join(item.covers), status(item, panels)] for item, panels, _ in shown.values()),
    ]
    text = [f"# {paper.name}\n\n{paper.cite}\n\n{NOTE}\n", markdown(safe(overview))]
    for key, (item, panels, drawing) in shown.items():
        text.append(
            f"## {item.title}\n\n{', '.join(item.covers)}; {item.unit}. Source of what is printed:"
            f" {item.source}.\n"
        )
        if drawing:
            text.append(f"![{item.title}](figures/{name}-{key}.png)\n")
        text += [markdown(safe(table(item, panel))) for panel in panels]
        text.append("\n".join(f"- {note}" for note in item.notes) + "\n")
    words, rows = granularity(paper)
    text.append(f"## Printed numbers that no n allows\n\n{words} {ours}\n\n{GRANULAR}\n")
    return "\n".join([*text, markdown(safe(rows))] if len(rows) > 1 else text)


def html_table(caption: str, rows: list[list[str]], ours: list[bool]) -> str:
    """The first cell of each row is its heading. `ours` per row below the heading."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in rows[0])
    body = "".join(
        f"<tr{' class=ours' if mine else ''}><th"
        f' scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(text)}</td>" for text in row[1:])}</tr>\n'
        for row, mine in zip(rows[1:], ours, strict=True)
    )
    inside = f"<table><caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"
    return f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}">{inside}</div>'


def html_item(key: str, item: Item, panels: list[Panel], drawing: str) -> str:
    tables = "\n".join(
        html_table(
            f"{item.title}{f', {panel.title}' if panel.title else ''}: {item.unit}",
            table(item, panel),
            [line.ours for line in panel.lines],
        )
        for panel in panels
    )
    label = f'<svg role="img" aria-label="{escape(item.title)}; its numbers are in the tables below"'
    figure = f"<figure>{drawing.replace('<svg', label, 1)}</figure>" if drawing else ""
    notes = "".join(f"<li>{escape(note)}</li>" for note in item.notes)
    source = (
        f'<p class="faint">{escape(", ".join(item.covers))}. Source of what is printed:'
        f" {escape(item.source)}.</p>"
    )
    return (
        f'<section id="{key}"><h2>{escape(item.title)}</h2>{source}{figure}{tables}<ul>{notes}</ul></section>'
    )


def as_html(paper: Paper, shown: Shown, ours: str) -> str:
    entries = [
        f'<a href="#{key}">{escape(item.title)}</a> <span class="faint">{status(item, panels)}</span>'
        for key, (item, panels, _) in shown.items()
    ]
    links = "".join(
        f"<li>{entry}</li>"
        for entry in [*entries, '<a href="#granularity">Printed numbers that no n allows</a>']
    )
    words, rows = granularity(paper)
    numbers = html_table(words, rows, [False] * (len(rows) - 1)) if len(rows) > 1 else ""
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(paper.name)}</title><style>{STYLE}</style></head>
<body>
<h1>{escape(paper.name)}</h1>
<p>{escape(paper.cite)}</p>
<p>{escape(NOTE)}</p>
<nav aria-label="Items"><ul>{links}</ul></nav>
<main>
{"".join(html_item(key, *item) for key, item in shown.items())}
<section id="granularity"><h2>Printed numbers that no n allows</h2>
<p>{escape(f"{words} {ours}")}</p><p class="faint">{escape(GRANULAR)}</p>{numbers}</section>
</main>
</body>
</html>
"""
