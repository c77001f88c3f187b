"""Figures: names in legends, what is drawn, and that nothing drawn meets anything else."""

import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stages.reporting.figures import compose_figure, draw, figure_panels, short_title
from stages.reporting.lines import Line
from stages.reporting.spec import Item
from stages.reporting.tables import Panel
from stages.reporting.values import Value

FIGURE = {"title": "t", "source": "s", "kind": "figure", "axis": "the columns"}
DEPARTS = (
    "split published_template, not published",
    "teacher code_davinci_002, not gpt_3_5",
    "5 epochs, not 20",
    "kept as some_long_name",
)


def full_panels(panels: int, columns: int, rows: int) -> list[Panel]:
    """A figure's panels full of lines with long names, of which every third is printed."""
    names = [f"a column of ours {place}" for place in range(columns)]
    values: list[Value | None] = [Value(40.0 + place, 35.0, 65.0, 100) for place in range(columns)]
    lines = [
        Line(f"A method with a long name {row}", row % 3 > 0, values, DEPARTS if row % 3 else ())
        for row in range(rows)
    ]
    return [Panel(f"panel {place}", names, lines) for place in range(panels)]


def looks_of(axes: Any) -> dict[str, tuple[str, str]]:
    """Name -> marker and colour of an axes' lines."""
    looks = {}
    for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
        line = handle[0] if isinstance(handle, tuple) else handle
        looks[name] = (line.get_marker(), line.get_color())
    return looks


@pytest.mark.parametrize(("panels", "columns", "rows"), [(1, 1, 1), (1, 10, 40), (4, 10, 24), (5, 3, 3)])
def test_a_figures_parts_do_not_meet(panels: int, columns: int, rows: int, tmp_path: Path) -> None:
    """No warning, legend and axes apart, no two tick labels of an axis over one another, one look a name."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    item = Item.model_validate(FIGURE)
    shown = full_panels(panels, columns, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw("figure", item, shown, tmp_path).startswith("<svg")
        figure = compose_figure(item, shown, pyplot)
        figure.canvas.draw()
    (legend,) = figure.legends
    visible = [one for one in figure.axes if one.get_visible()]
    assert len(visible) == panels
    looks = looks_of(visible[0])
    for axes in visible:
        assert axes.get_tightbbox().y0 >= legend.get_window_extent().y1
        assert axes.get_window_extent().height > 1.2 * figure.dpi  # inches
        # turned ones overlap as boxes, not as text
        boxes = [label.get_window_extent() for label in axes.get_xticklabels()] if columns < 10 else []
        assert not any(left.overlaps(right) for left, right in pairwise(boxes))
        assert looks_of(axes) == looks
    assert len(looks) == rows
    assert len(set(looks.values())) == min(rows, 24)
    assert legend.get_window_extent().width <= figure.bbox.width
    pyplot.close(figure)


def test_short_names() -> None:
    departs = ("teacher gpt, not x", "curation d1", "L_p 320, not 1024", "kept as something")
    line = Line("CasCoD, ours", True, [], departs)
    assert short_title(line) == "CasCoD, ours: gpt, d1, L_p 320"
    assert short_title(line, frozenset({"curation d1"})) == "CasCoD, ours: gpt, L_p 320"
    assert short_title(Line("CasCoD", False, [])) == "CasCoD"


def test_only_figures_with_numbers_are_drawn(tmp_path: Path) -> None:
    item = Item.model_validate({**FIGURE, "columns": {"a": {}}})
    empty = Panel("", ["a"], [Line("x", True, [None], ("not run",))])
    full = Panel("p", ["a"], [*empty.lines, Line("y", False, [Value(1.0)])])
    assert figure_panels(item, [empty]) == []
    assert [[line.name for line in panel.lines] for panel in figure_panels(item, [empty, full])] == [["y"]]
    assert draw("nothing", item, [empty], tmp_path) == ""
    assert figure_panels(item.model_copy(update={"kind": "table"}), [full]) == []
