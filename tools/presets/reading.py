"""What a preset says: its overlay over the default, in a size, grid by grid, and which items it makes.

presets/NAME.yaml holds what differs from the default (presets/embedded.yaml). Four of its keys are no
parameters:

- `sizes`: further overlays, such as `tiny`; `full` is the file without one.
- `grids`: overlays over all of that, each a product of axes of its own. A size may add to a grid of the
  preset, give others, or drop one (null).
- `items`: paper -> the items of stages/reporting/published that its runs fill.
- `beyond`: its runs are of no paper that is made here, and are kept apart from the papers' tables.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from stages.config.load import check, parse_yaml
from stages.reporting.spec import read_paper

PRESETS = Path("presets")
DEFAULT = "embedded"
FULL = "full"
SIZES = ("tiny", "smol", FULL)  # least first: minutes on a CPU, hours on a CPU, the paper's

Overlay = dict[str, Any]


class Shape(BaseModel):
    """Which keys of an overlay hold named values. The parameters are looked at once they are laid over."""

    model_config = ConfigDict(extra="allow", strict=True)
    run: Overlay = {}
    grids: dict[str, Overlay | None] | None = None


class PresetShape(Shape):
    """The same of a whole preset."""

    sizes: dict[str, Shape | None] | None = None
    items: dict[str, list[str]] | None = None
    beyond: bool = False


def preset_names() -> list[str]:
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def read_overlay(name: str) -> Overlay:
    """presets/<name>.yaml. Raises ValueError for another name, with all there are, and for a wrong shape."""
    path = PRESETS / f"{name}.yaml"
    if not path.exists():
        raise ValueError(f"no preset {name!r}; there are: {', '.join(preset_names())}")
    overlay: Overlay = parse_yaml(path, str(path))
    check("", overlay, PresetShape, file=str(path))
    return overlay


def sizes_of(name: str) -> list[str]:
    """The sizes that a preset comes in, least first. Raises ValueError for one that is none."""
    own = read_overlay(name).get("sizes") or {}
    if unknown := own.keys() - {*SIZES[:-1]}:
        raise ValueError(
            f"presets/{name}.yaml: `sizes` has {sorted(unknown)}, wanted {', '.join(SIZES[:-1])}"
        )
    return [size for size in SIZES if size in own or size == FULL]


def read_items(name: str) -> dict[str, list[str]]:
    """Paper -> keys of its items that a preset makes. Raises ValueError for an item that there is not."""
    items: dict[str, list[str]] = read_overlay(name).get("items") or {}
    for paper, keys in items.items():
        try:
            known = read_paper(paper).items
        except ValueError as error:
            raise ValueError(f"presets/{name}.yaml: `items.{paper}`: {error}") from error
        if unknown := [key for key in keys if key not in known]:
            raise ValueError(
                f"presets/{name}.yaml: `items.{paper}` has {unknown}; wanted some of: {', '.join(known)}"
            )
    return items


def is_beyond(name: str) -> bool:
    """Whether a preset's runs are kept apart from the papers' tables. Raises ValueError for items."""
    beyond: bool = read_overlay(name).get("beyond", False)
    if beyond and read_items(name):
        raise ValueError(f"presets/{name}.yaml: `beyond` is true and `items` names papers' items: wanted one")
    return beyond


def label(name: str, grid: str = "", size: str = FULL) -> str:
    """NAME[_GRID][_SIZE], as `run.preset` and a kept run are called."""
    return "_".join(part for part in (name, grid, "" if size == FULL else size) if part)


def laid_over(below: Overlay, above: Overlay) -> Overlay:
    """`above` written over `below`, block by block."""
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        if isinstance(inner, dict) and isinstance(value, dict):
            value = laid_over(inner, value)
        merged[key] = value
    return merged


def read_preset(name: str, size: str = FULL) -> dict[str, Overlay]:
    """Grid -> the default's values with the preset's over them: nothing of a preset used before stays.

    A preset without grids has one, called "". Raises ValueError for a name or a size that there is not, and
    where no grid is left.
    """
    if size not in sizes_of(name):
        raise ValueError(f"presets/{name}.yaml has no size {size!r}; it has: {', '.join(sizes_of(name))}")
    overlay = read_overlay(name)
    sizes = overlay.pop("sizes", None) or {}
    own = sizes.get(size) or {}
    nulls = [grid for grid, values in (own.get("grids") or {}).items() if values is None]
    if unknown := [grid for grid in nulls if grid not in (overlay.get("grids") or {})]:
        raise ValueError(
            f"presets/{name}.yaml: `sizes.{size}.grids` drops {unknown}, wanted some of:"
            f" {', '.join(overlay.get('grids') or {}) or 'none, it has no grids'}"
        )
    overlay = laid_over(overlay, own)
    overlay = {key: value for key, value in overlay.items() if key not in ("items", "beyond")}
    grids = {grid: own for grid, own in (overlay.pop("grids", None) or {"": {}}).items() if own is not None}
    if not grids:
        raise ValueError(
            f"presets/{name}.yaml: every grid is null in size {size}, wanted one that is not, or no `grids`"
        )
    whole = laid_over(read_overlay(DEFAULT), overlay)
    return {
        grid: laid_over(laid_over(whole, own), {"run": {"preset": label(name, grid, size)}})
        for grid, own in grids.items()
    }


def read_grid(name: str, size: str = FULL, grid: str | None = None) -> Overlay:
    """One grid of a preset, the only one where none is named. Raises ValueError where that is not clear."""
    grids = read_preset(name, size)
    if grid is None and len(grids) == 1:
        return next(iter(grids.values()))
    if grid not in grids:
        if [*grids] == [""]:
            raise ValueError(f"presets/{name}.yaml has one grid without a name in size {size}: drop --grid")
        got = "several grids" if grid is None else f"no grid {grid!r}"
        raise ValueError(
            f"presets/{name}.yaml has {got} in size {size}: --grid with one of {', '.join(grids)}"
        )
    return grids[grid]
