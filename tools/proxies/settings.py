"""How live proxies are computed: images and their size, with two presets."""

from typing import Annotated

from pydantic import ConfigDict, Field

from llm_nas.errors import RequestError
from llm_nas.frozen import Frozen


class ProxySettings(Frozen):
    """The recipe of a proxy vector; two vectors compare only when it is equal.

    `image_size` shrinks images to this side by averaging; None keeps the task's own.
    """

    # Recipes of older tables name the width of the network too, which is the space's matter now.
    model_config = ConfigDict(extra="ignore")

    name: str = "custom"
    batch_size: Annotated[int, Field(ge=2, le=1024)] = 64
    zen_batch_size: Annotated[int, Field(ge=2, le=1024)] = 64
    image_size: Annotated[int, Field(ge=8, le=224)] | None = None


FULL = ProxySettings(name="full")
"""The setting of NAS-Bench-Suite-Zero: 64 images as they are."""
FAST = ProxySettings(name="fast", batch_size=16, image_size=16, zen_batch_size=4)
"""Chosen by measurement, see docs/notebook/proxies.md."""
PRESETS = {preset.name: preset for preset in (FULL, FAST)}


def preset(name: str) -> ProxySettings:
    """The preset of this name; `RequestError` lists the known ones."""
    if name not in PRESETS:
        raise RequestError(f"proxy setting {name!r}: expected one of {', '.join(PRESETS)}")
    return PRESETS[name]
