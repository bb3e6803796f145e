"""For whoever writes a space: the form and the catalogue in words, and spaces drawn at random."""

from collections.abc import Mapping, Sequence

import numpy as np

from llm_nas.tools.spaces.macro import schema
from llm_nas.tools.spaces.macro.blocks import ACTIVATIONS, CATALOGUE, USES

_VALUES: Mapping[str, Sequence[float]] = {
    "kernel": (3, 5, 7),
    "expansion": (1, 2, 3, 4, 6),
    "se": (0, 1),
    "groups": (1, 2, 4),
    "heads": (2, 4, 8),
}
_WIDTHS = (8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 256, 320)


def form_in_words() -> str:
    """How a file is written."""
    return schema.__doc__ or ""


def catalogue_in_words() -> str:
    """Every block: what it is, and the options it asks for."""
    lines = [
        f"{name}: {(block.__doc__ or '').splitlines()[0]} Options: "
        f"{', '.join(sorted(USES[name])) or 'none'}."
        for name, block in CATALOGUE.items()
    ]
    return "\n".join([*lines, f"Activations: {', '.join(ACTIVATIONS)}."])


def random_file(rng: np.random.Generator) -> str:
    """A space drawn from the catalogue: blocks, widths, depths and options by chance.

    Widths grow from stage to stage, and about every second stage halves the image's sides, as
    in most networks: everything else is left to `rng`.
    """
    stages = int(rng.integers(3, 7))
    widths = sorted(rng.choice(_WIDTHS[1:], stages, replace=False).tolist())
    lines = [
        'name = "drawn"',
        'about = "A space drawn at random from the catalogue of blocks."',
        "\n[network]",
        f"multiplier = {_some(rng, (0.5, 0.75, 1.0, 1.5))}",
        f'activation = "{rng.choice(ACTIVATIONS)}"',
        "\n[stem]",
        f"width = {_some(rng, _WIDTHS[:4])}",
        f"stride = {_some(rng, (1, 2))}",
    ]
    for width in widths:
        lines += _stage(rng, int(width))
    return "\n".join([*lines, "\n[head]", f"width = {_some(rng, (0, 256, 512, 960))}"]) + "\n"


def _stage(rng: np.random.Generator, width: int) -> list[str]:
    usual = [name for name in CATALOGUE if name != "skip"]
    blocks = [str(b) for b in rng.choice(usual, int(rng.integers(1, 4)), replace=False)]
    used = {option for block in blocks for option in USES[block]}
    quoted = ", ".join(f'"{block}"' for block in blocks)
    return [
        "\n[[stages]]",
        f"block = [{quoted}]",
        f"width = {width}",
        f"depth = {_some(rng, (1, 2, 3, 4))}",
        f"stride = {int(rng.integers(1, 3))}",
        *[f"{name} = {_some(rng, held)}" for name, held in _VALUES.items() if name in used],
    ]


def _some(rng: np.random.Generator, values: Sequence[float]) -> str:
    """A TOML list of some of the values, in order; at least one."""
    count = int(rng.integers(1, len(values) + 1))
    places: list[int] = np.sort(rng.choice(len(values), count, replace=False)).tolist()
    return f"[{', '.join(format(values[place], 'g') for place in places)}]"
