"""Drawings of a paper's figures: printed lines dashed, ours with 95 % intervals; told apart by marker and
colour. SVG for the page, PNG beside it.
"""

import io
import re
from pathlib import Path
from textwrap import fill
from typing import Any

from stages.reporting.results import KEPT, Line
from stages.reporting.settings import AXES
from stages.reporting.spec import Item
from stages.reporting.tables import Panel

# Okabe and Ito 2008: apart in colour blindness too
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
MARKERS = "osD^vPX*"
# lines and letters where the page gives no colour of its own; grey is read on light and dark paper
INK = "#7f7f7f"
WIDE, TALL, LETTER, ROW = 4.2, 3.0, 0.062, 0.15  # inches: a panel; a letter and a row of the legend


def drawn(item: Item, panels: list[Panel]) -> list[Panel]:
    """A figure's panels that have numbers, each with its lines that have some."""
    kept = [
        Panel(panel.title, panel.columns, [line for line in panel.lines if any(line.values)])
        for panel in panels
    ]
    return [panel for panel in kept if panel.lines] if item.kind == "figure" else []


def short(line: Line, known: frozenset[str] = frozenset()) -> str:
    """A line's name for a legend: the names alone of what departs from the paper, without what is `known` of
    all lines.
    """
    departs = [one for one in line.departs if one not in known and not one.startswith(KEPT)]
    words = [re.sub(rf"^({'|'.join(AXES)}) ", "", one.split(", not ")[0]) for one in departs]
    return f"{line.name}: {', '.join(words)}" if words else line.name


def common(panels: list[Panel]) -> frozenset[str]:
    """What departs from the paper in all lines of ours."""
    ours = [
        frozenset(one for one in line.departs if not one.startswith(KEPT))
        for panel in panels
        for line in panel.lines
        if line.ours
    ]
    return frozenset.intersection(*ours) if ours else frozenset()


def draw_panel(axes: Any, panel: Panel, names: list[str], known: frozenset[str]) -> None:
    """One panel: a line per table line, x is the place of the column. The place in `names`, those of the
    legend, decides marker and colour.
    """
    for line in panel.lines:
        points = [(place, one) for place, one in enumerate(line.values) if one]
        name = short(line, known)
        xs = [place for place, _ in points]
        ys = [one.value for _, one in points]
        ends = [
            (
                (one.value - one.low, one.high - one.value)
                if one.low is not None and one.high is not None
                else (0.0, 0.0)
            )
            for _, one in points
        ]
        marker = MARKERS[names.index(name) % len(MARKERS)]
        colour = COLOURS[names.index(name) % len(COLOURS)]
        look = {"marker": marker, "color": colour, "label": name, "markersize": 4.5, "linewidth": 1.3}
        if line.ours:
            axes.errorbar(xs, ys, yerr=list(zip(*ends, strict=True)), capsize=2, **look)
        else:
            axes.plot(xs, ys, linestyle="--", markerfacecolor="none", **look)
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


def composed(item: Item, panels: list[Panel], pyplot: Any) -> Any:
    """The figure: panels, at most three a row, and under them one legend, for which the figure grows so that
    no panel shrinks.
    """
    wide = 2 if len(panels) == 4 else min(3, len(panels))
    known = common(panels)
    tall = -(-len(panels) // wide)
    width = max(wide, 1.5) * WIDE
    names = list(dict.fromkeys(short(line, known) for panel in panels for line in panel.lines))
    letters = int(width / LETTER) - 8  # of a legend's row, less its marker
    folded = [fill(name, letters) for name in names]
    heading = fill(short(Line("All lines of ours", True, [], tuple(sorted(known)))), letters) if known else ""
    columns = max(1, letters // (max(len(row) for name in folded for row in name.split("\n")) + 8))
    rows = -(-sum(name.count("\n") + 1 for name in folded) // columns) + heading.count("\n") + 2
    size = (width, TALL * tall + ROW * rows)
    figure, grid = pyplot.subplots(tall, wide, figsize=size, squeeze=False, layout="constrained")
    for axes, panel in zip(grid.flat, panels, strict=False):
        draw_panel(axes, panel, names, known)
        axes.set_xlabel(item.axis)
        axes.set_ylabel(item.unit)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    handles = {
        name: one for axes in grid.flat for one, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    look = {
        "loc": "outside lower center",
        "ncols": columns,
        "fontsize": 6.5,
        "frameon": False,
        "title": heading,
        "title_fontsize": 6.5,
    }
    figure.legend([handles[name] for name in names], folded, **look)
    return figure


def draw(name: str, item: Item, panels: list[Panel], folder: Path) -> str:
    """Write NAME.svg and NAME.png, and return the SVG to stand in a page, in the page's colour; "" where
    there is nothing to draw.
    """
    shown = drawn(item, panels)
    if not shown:
        return ""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    ink: dict[Any, Any] = dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
    )
    with pyplot.rc_context({**ink, "svg.fonttype": "none", "svg.hashsalt": name, "font.size": 8}):
        figure = composed(item, shown, pyplot)
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / f"{name}.png", dpi=100, metadata={"Software": None})
        made = io.StringIO()
        figure.savefig(made, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    svg = made.getvalue()[made.getvalue().index("<svg") :]
    (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    return svg.replace(INK, "currentColor")
