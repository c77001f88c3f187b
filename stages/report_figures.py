"""Drawings of a paper's figures: printed lines dashed, ours with 95 % intervals; told apart by marker and colour. SVG for the page, PNG beside it."""

import io
from itertools import cycle
from pathlib import Path
from typing import Any

from stages.report_spec import Item
from stages.report_tables import Panel

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]  # Okabe and Ito 2008: apart in colour blindness too
MARKERS = "osD^vPX*"
INK = "#7f7f7f"  # lines and letters where the page gives no colour of its own; grey is read on light and dark paper


def draw_panel(axes: Any, panel: Panel) -> None:
    """One panel: a line per table line that has numbers, x is the place of the column."""
    style = cycle(zip(MARKERS, COLOURS * 2, strict=False))
    for line in panel.lines:
        points = [(place, one) for place, one in enumerate(line.values) if one]
        if not points:
            continue
        (marker, colour), xs, ys = next(style), [place for place, _ in points], [one.value for _, one in points]
        ends = [(one.value - one.low, one.high - one.value) if one.low is not None and one.high is not None else (0.0, 0.0) for _, one in points]
        name = f"{line.name} ({line.deviations})" if line.deviations else line.name
        look = {"marker": marker, "color": colour, "label": name, "markersize": 4.5, "linewidth": 1.3}
        if line.ours:
            axes.errorbar(xs, ys, yerr=list(zip(*ends, strict=True)), capsize=2, **look)
        else:
            axes.plot(xs, ys, linestyle="--", markerfacecolor="none", **look)
    axes.set_title(panel.title, fontsize=10)
    axes.set_xticks(range(len(panel.columns)), panel.columns, rotation=30 if max(map(len, panel.columns)) > 5 else 0)
    axes.set_xlim(-0.4, len(panel.columns) - 0.6)
    if axes.get_ylim()[0] > 0:
        axes.set_ylim(bottom=0)
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=6.5, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.22))


def draw(name: str, item: Item, panels: list[Panel], folder: Path) -> str:
    """Write NAME.svg and NAME.png, and return the SVG to stand in a page, in the page's colour; "" where there is nothing to draw."""
    shown = [panel for panel in panels if any(any(line.values) for line in panel.lines)]
    if item.kind != "figure" or not shown:
        return ""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    ink: dict[Any, Any] = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    with pyplot.rc_context({**ink, "svg.fonttype": "none", "svg.hashsalt": name, "font.size": 8}):
        wide = min(3, len(shown))
        tall = -(-len(shown) // wide)
        figure, grid = pyplot.subplots(tall, wide, figsize=(4.2 * wide, 3.8 * tall), squeeze=False, layout="constrained")
        for axes, panel in zip(grid.flat, shown, strict=False):
            draw_panel(axes, panel)
            axes.set_xlabel(item.axis)
            axes.set_ylabel(item.unit)
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / f"{name}.png", dpi=100, metadata={"Software": None})
        made = io.StringIO()
        figure.savefig(made, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    svg = made.getvalue()[made.getvalue().index("<svg") :]
    (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    return svg.replace(INK, "currentColor")
