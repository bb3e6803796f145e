"""How live proxies are computed: batch size and network size, with two presets."""

from typing import Annotated, Literal

from pydantic import Field

from llm_nas.domain import Frozen
from llm_nas.errors import RequestError


class ProxySettings(Frozen):
    """The recipe of a proxy vector; two vectors compare only when it is equal.

    `image_size` shrinks images to this side by averaging; none keeps the dataset's own.
    `weights` says how initial weights are drawn: `cell` from (seed, cell), as published tables
    do, or `seed` from the seed alone, so that all cells share what they have in common.
    """

    name: str = "custom"
    batch_size: Annotated[int, Field(ge=2, le=1024)] = 64
    zen_batch_size: Annotated[int, Field(ge=2, le=1024)] = 64
    image_size: Annotated[int, Field(ge=8, le=224)] | None = None
    channels: Annotated[int, Field(ge=2, le=64)] = 16
    cells_per_stage: Annotated[int, Field(ge=1, le=10)] = 5
    weights: Literal["cell", "seed"] = "cell"


FULL = ProxySettings(name="full")
"""The setting of NAS-Bench-Suite-Zero: the whole network, 64 images."""
FAST = ProxySettings(name="fast", batch_size=16, image_size=16, zen_batch_size=4)
"""Chosen by measurement, see docs/proxies.md."""
PRESETS = {preset.name: preset for preset in (FULL, FAST)}


def preset(name: str) -> ProxySettings:
    """The preset of this name; `RequestError` lists the known ones."""
    if name not in PRESETS:
        raise RequestError(f"proxy setting {name!r}: expected one of {', '.join(PRESETS)}")
    return PRESETS[name]
