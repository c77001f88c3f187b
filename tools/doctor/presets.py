"""Presets as whole parameters."""

from stages.checking.blocks import Params
from stages.config.load import read_params
from tools.presets import PRESETS, merge, read_overlay, read_preset

FULL = "full"


def preset_names() -> list[str]:
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def sizes_of(name: str) -> list[str]:
    return ["tiny", FULL] if "small" in read_overlay(name) else [FULL]


def preset_params(name: str, size: str = FULL) -> dict[str, Params]:
    """Grid -> all of params.yaml as the preset would write it."""
    if size not in sizes_of(name):
        raise ValueError(f"presets/{name}.yaml has no size {size!r}; it has: {', '.join(sizes_of(name))}")
    params = read_params()
    merge(params, read_preset(name, size != FULL), name)
    return {"": params}
