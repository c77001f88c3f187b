"""Page: a report as Markdown, and as one page of HTML for light, dark and paper that needs nothing else."""

from html import escape

from stages.reporting.spec import Item, Paper
from stages.reporting.tables import Panel, count_ours, impossible_printed, line_texts
from stages.results.tables import as_markdown

NOTE = (
    "Printed numbers stand as printed. Ours: the mean over seeds ± half the 95 % Wilson interval, n test"
    " questions; of several seeds their\nstandard deviation, least and largest too. An empty line of ours was"
    " not run, or its axes have other names here: the patterns are in stages/reporting/published.\n"
    "What departs from the paper stands beside the line's name, as far as it is known: axes, epochs, L_p (the"
    " longest answer, in tokens),\n"
    'subtasks. "Kept as" names a summary that was kept under metrics/kept.'
)
POSSIBLE_NOTE = (
    "A share of n questions is a whole number of them. Here are printed percentages that are none, with the"
    " paper's own n. Last, what n would\ndo: those up to ten below it that allow all such numbers of the"
    " method in that column (rows that may have gone missing), and the whole data set."
)
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --faint: #5a5a5a; --line: #c9c9c9; \
--ours: #eef5fb; --accent: #005a9c }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181b; --faint: #a8a8a8; \
--line: #444; --ours: #1e2a36; --accent: #7fbfff } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 84rem; \
margin: 0 auto; padding: 1.5rem }
h1 { line-height: 1.2 } h2 { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem } \
a { color: var(--accent) }
.faint, caption { color: var(--faint); font-size: .9em } caption { text-align: left; padding: .3rem 0 }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums; \
font-size: .9em; margin: .5rem 0 }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top }
th:first-child { text-align: left; min-width: 12rem }
tbody th { font-weight: normal } tr.ours > * { background: var(--ours) } \
tr.ours th::before { content: "▸ "; color: var(--accent) }
figure { margin: 1rem 0 } figure svg { max-width: 100%; height: auto; color: var(--ink) }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt } nav { display: none }
  .wide { overflow: visible } table { font-size: 7pt } th, td { padding: .1rem .25rem }
  th:first-child { min-width: 0 } tr, figure { break-inside: avoid }
}
"""
# key -> the item, its panels, its drawing as SVG ("" without one)
Shown = dict[str, tuple[Item, list[Panel], str]]


def item_status(item: Item, panels: list[Panel]) -> str:
    """What of an item is ours, in words."""
    ours, empty = count_ours(panels)
    return "see its notes" if item.kind == "text" else f"{ours} numbers of ours, {empty} lines not run"


def panel_table(item: Item, panel: Panel) -> list[list[str]]:
    rows = [[line.title, *line_texts(item, line)] for line in panel.lines]
    return [[panel.title, *panel.columns], *rows]


def escape_pipes(rows: list[list[str]]) -> list[list[str]]:
    return [[text.replace("|", "\\|") for text in row] for row in rows]


def possible_section(paper: Paper) -> tuple[str, list[list[str]]]:
    """In words how many printed shares were looked at, and the table of those that cannot be."""
    looked, rows = impossible_printed(paper)
    return f"{len(rows) - 1} of {looked} printed percentages fit no whole number of questions.", rows


def markdown_page(paper: Paper, name: str, shown: Shown, ours: str) -> str:
    overview = [["item", "here"]]
    overview += [[item.title, item_status(item, panels)] for item, panels, _ in shown.values()]
    parts = [f"# {paper.name}\n\n{paper.cite}\n\n{NOTE}\n", as_markdown(escape_pipes(overview))]
    for key, (item, panels, drawing) in shown.items():
        parts.append(f"## {item.title}\n\n{item.unit}. Source of what is printed: {item.source}.\n")
        if drawing:
            parts.append(f"![{item.title}](figures/{name}-{key}.png)\n")
        parts += [as_markdown(escape_pipes(panel_table(item, panel))) for panel in panels]
        parts.append("\n".join(f"- {note}" for note in item.notes) + "\n")
    words, rows = possible_section(paper)
    parts.append(f"## Printed numbers that no n allows\n\n{words} {ours}\n\n{POSSIBLE_NOTE}\n")
    if len(rows) > 1:
        parts.append(as_markdown(escape_pipes(rows)))
    return "\n".join(parts)


def html_table(caption: str, rows: list[list[str]], ours: list[bool]) -> str:
    """The first cell of each row is its heading. `ours` per row below the heading."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in rows[0])
    body = ""
    for row, mine in zip(rows[1:], ours, strict=True):
        cells = "".join(f"<td>{escape(text)}</td>" for text in row[1:])
        body += f'<tr{" class=ours" if mine else ""}><th scope="row">{escape(row[0])}</th>{cells}</tr>\n'
    title = escape(caption)
    inside = f"<caption>{title}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>"
    place = f'<div class="wide" tabindex="0" role="region" aria-label="{title}">'
    return f"{place}<table>{inside}</table></div>"


def html_panel(item: Item, panel: Panel) -> str:
    caption = f"{item.title}{f', {panel.title}' if panel.title else ''}: {item.unit}"
    return html_table(caption, panel_table(item, panel), [line.ours for line in panel.lines])


def html_item(key: str, item: Item, panels: list[Panel], drawing: str) -> str:
    title = escape(item.title)
    label = f'<svg role="img" aria-label="{title}; its numbers are in the tables below"'
    figure = f"<figure>{drawing.replace('<svg', label, 1)}</figure>" if drawing else ""
    tables = "\n".join(html_panel(item, panel) for panel in panels)
    notes = "".join(f"<li>{escape(note)}</li>" for note in item.notes)
    source = f'<p class="faint">Source of what is printed: {escape(item.source)}.</p>'
    body = f"{source}{figure}{tables}<ul>{notes}</ul>"
    return f'<section id="{key}"><h2>{title}</h2>{body}</section>'


def html_page(paper: Paper, shown: Shown, ours: str) -> str:
    entries = [
        f'<a href="#{key}">{escape(item.title)}</a> <span class="faint">{item_status(item, panels)}</span>'
        for key, (item, panels, _) in shown.items()
    ]
    entries.append('<a href="#granularity">Printed numbers that no n allows</a>')
    links = "".join(f"<li>{entry}</li>" for entry in entries)
    words, rows = possible_section(paper)
    numbers = html_table(words, rows, [False] * (len(rows) - 1)) if len(rows) > 1 else ""
    title = escape(paper.name)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">\
<title>{title}</title><style>{STYLE}</style></head>
<body>
<h1>{title}</h1>
<p>{escape(paper.cite)}</p>
<p>{escape(NOTE)}</p>
<nav aria-label="Items"><ul>{links}</ul></nav>
<main>
{"".join(html_item(key, *item) for key, item in shown.items())}
<section id="granularity"><h2>Printed numbers that no n allows</h2>
<p>{escape(f"{words} {ours}")}</p><p class="faint">{escape(POSSIBLE_NOTE)}</p>{numbers}</section>
</main>
</body>
</html>
"""
