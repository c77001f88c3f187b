"""Figures: printed lines dashed, ours with 95 % intervals, told apart by marker and colour; SVG and PNG."""

import io
import re
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

from stages.reporting.lines import KEPT, Line
from stages.reporting.pools import LINE_AXES
from stages.reporting.spec import Item
from stages.reporting.tables import Panel
from stages.reporting.values import Value

# Okabe and Ito 2008: apart in colour blindness too
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
MARKERS = "osD^vPX*"
# lines and letters where the page gives no colour of its own; grey is read on light and dark paper
INK = "#7f7f7f"
WIDE, TALL, LETTER, ROW = 4.2, 3.0, 0.062, 0.15  # inches: a panel; a letter and a row of the legend


def figure_panels(item: Item, panels: list[Panel]) -> list[Panel]:
    """A figure's panels that have numbers, each with its lines that have some."""
    if item.kind != "figure":
        return []
    filled = [
        Panel(panel.title, panel.columns, [line for line in panel.lines if any(line.values)])
        for panel in panels
    ]
    return [panel for panel in filled if panel.lines]


def without_kept(line: Line) -> list[str]:
    """What departs from the paper in a line, less the names of kept runs."""
    return [words for words in line.departs if not words.startswith(KEPT)]


def short_title(line: Line, known: frozenset[str] = frozenset()) -> str:
    """A line's name for a legend: the names alone of what departs, less what is `known` of all lines."""
    departs = [words for words in without_kept(line) if words not in known]
    names = [re.sub(rf"^({'|'.join(LINE_AXES)}) ", "", words.split(", not ")[0]) for words in departs]
    return f"{line.name}: {', '.join(names)}" if names else line.name


def common_departures(panels: list[Panel]) -> frozenset[str]:
    """What departs from the paper in all lines of ours."""
    ours = [frozenset(without_kept(line)) for panel in panels for line in panel.lines if line.ours]
    return frozenset.intersection(*ours) if ours else frozenset()


def interval_lengths(one: Value) -> tuple[float, float]:
    """From a value down and up to the ends of its interval; 0 without one."""
    if one.low is None or one.high is None:
        return 0.0, 0.0
    return one.value - one.low, one.high - one.value


class Legend(NamedTuple):
    """One legend for all panels of a figure: a line's place in `names` decides its marker and colour."""

    names: list[str]
    known: frozenset[str]  # what departs from the paper in all lines: not in names, but in the heading
    texts: list[str]  # the names, folded
    heading: str
    columns: int
    rows: int


def plan_legend(panels: list[Panel], width: float) -> Legend:
    """The legend below a figure that is `width` inches wide."""
    known = common_departures(panels)
    names = list(dict.fromkeys(short_title(line, known) for panel in panels for line in panel.lines))
    letters = int(width / LETTER) - 8  # of a row, less its marker
    texts = [fill(name, letters) for name in names]
    ours = Line("All lines of ours", True, [], tuple(sorted(known)))
    heading = fill(short_title(ours), letters) if known else ""
    longest = max(len(row) for text in texts for row in text.split("\n"))
    columns = max(1, letters // (longest + 8))
    rows = -(-sum(text.count("\n") + 1 for text in texts) // columns) + heading.count("\n") + 2
    return Legend(names, known, texts, heading, columns, rows)


def draw_panel(axes: Any, panel: Panel, legend: Legend) -> None:
    """One panel: a line per table line, x is the place of the column."""
    for line in panel.lines:
        points = {place: one for place, one in enumerate(line.values) if one}
        heights = [one.value for one in points.values()]
        name = short_title(line, legend.known)
        place = legend.names.index(name)
        look = {
            "marker": MARKERS[place % len(MARKERS)],
            "color": COLOURS[place % len(COLOURS)],
            "label": name,
            "markersize": 4.5,
            "linewidth": 1.3,
        }
        if line.ours:
            lengths = [interval_lengths(one) for one in points.values()]
            axes.errorbar([*points], heights, yerr=list(zip(*lengths, strict=True)), capsize=2, **look)
        else:
            axes.plot([*points], heights, linestyle="--", markerfacecolor="none", **look)
    letters = sum(map(len, panel.columns)) + 2 * len(panel.columns)
    turned = (
        {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if letters > WIDE / LETTER - 15 else {}
    )
    axes.set_title(panel.title, fontsize=10)
    axes.set_xticks(range(len(panel.columns)), panel.columns, **turned)
    axes.set_xlim(-0.4, len(panel.columns) - 0.6)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0), 1.03 * high)
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def compose_figure(item: Item, panels: list[Panel], pyplot: Any) -> Any:
    """The figure: panels, at most three a row, and under them one legend.

    The figure grows for the legend, so that no panel shrinks.
    """
    wide = 2 if len(panels) == 4 else min(3, len(panels))
    tall = -(-len(panels) // wide)
    width = max(wide, 1.5) * WIDE
    legend = plan_legend(panels, width)
    size = (width, TALL * tall + ROW * legend.rows)
    figure, grid = pyplot.subplots(tall, wide, figsize=size, squeeze=False, layout="constrained")
    for axes, panel in zip(grid.flat, panels, strict=False):
        draw_panel(axes, panel, legend)
        axes.set_xlabel(item.axis)
        axes.set_ylabel(item.unit)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    handles = {
        name: one for axes in grid.flat for one, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        [handles[name] for name in legend.names],
        legend.texts,
        loc="outside lower center",
        ncols=legend.columns,
        fontsize=6.5,
        frameon=False,
        title=legend.heading,
        title_fontsize=6.5,
    )
    return figure


def draw(name: str, item: Item, panels: list[Panel], folder: Path) -> str:
    """Write NAME.svg and NAME.png, and return the SVG to stand in a page, in the page's colour.

    "" where there is nothing to draw.
    """
    shown = figure_panels(item, panels)
    if not shown:
        return ""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    ink: dict[Any, Any] = dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
    )
    with pyplot.rc_context({**ink, "svg.fonttype": "none", "svg.hashsalt": name, "font.size": 8}):
        figure = compose_figure(item, shown, pyplot)
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / f"{name}.png", dpi=100, metadata={"Software": None})
        made = io.StringIO()
        figure.savefig(made, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    svg = made.getvalue()[made.getvalue().index("<svg") :]
    (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    return svg.replace(INK, "currentColor")
