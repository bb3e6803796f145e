"""Macro spaces as TOML: stages of repeated blocks; data, nothing in it is executed.

    name = "mine"
    about = "What it is, in the words of the field."

    [input]                   # images where a task does not say otherwise
    channels = 3
    height = 32
    width = 32
    classes = 10

    [network]                 # of the whole network
    scale = [0.5, 1.0]        # the image is resized by this first
    multiplier = [0.5, 1.0]   # of all widths of stem and stages, rounded to multiples of 8
    activation = "relu"       # of stages that have none of their own
    least_side = 8            # values of scale and stem stride that leave less of it are dropped

    [stem]                    # the first convolution
    width = 16
    kernel = 3
    stride = [1, 2]

    [blocks.small]            # a name for a block of the catalogue with some options settled
    block = "mbconv"
    kernel = 3
    expansion = 1

    [defaults]                # options of every stage that does not say otherwise
    kernel = [3, 5]

    [[stages]]                # any number of stages, in order
    block = ["mbconv", "small"]
    width = 24
    depth = [1, 2, 3]         # blocks in the stage; 0 leaves it out
    stride = 2                # of the first block
    expansion = [1, 4, 6]
    se = [0, 1]               # squeeze-and-excitation

    [head]
    width = 1280              # 1x1 convolution before the classifier; 0: none

    [names]                   # how choices are called
    depth = "l"

**A list is a choice**, anything else is settled. A choice of the network, stem or head has the
option's name (`scale`, `stem_stride`, `head_width`), one of a stage a letter and the stage's
number (`k1`, see `LETTERS`; `[names]` renames them). Choices stand in the order of the file,
of a stage those of `[defaults]` first;
`depth` comes first where it can be 0, `block` where it is a choice. A choice that the chosen
block does not use is inactive. Blocks and what they use: `blocks.CATALOGUE`, `blocks.USES`.
"""

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from llm_nas.domain import TaskShape
from llm_nas.errors import RequestError
from llm_nas.tools.spaces.macro.blocks import ACTIVATIONS, CATALOGUE

MOST_STAGES = 64
_LARGEST_FILE = 1_000_000

LETTERS = {
    "block": "b",
    "width": "w",
    "depth": "d",
    "stride": "s",
    "kernel": "k",
    "expansion": "e",
    "se": "se",
    "groups": "g",
    "heads": "h",
    "activation": "a",
}
"""What a stage's choices are called, before the stage's number."""


def _odd(kernel: int) -> int:
    if kernel % 2 == 0:
        raise ValueError("a kernel has an odd side")
    return kernel


def _known_activation(name: str) -> str:
    if name not in ACTIVATIONS:
        raise ValueError(f"expected one of {', '.join(ACTIVATIONS)}")
    return name


Width = Annotated[int, Field(ge=1, le=8192)]
Depth = Annotated[int, Field(ge=0, le=64)]
Stride = Annotated[int, Field(ge=1, le=8)]
Kernel = Annotated[int, Field(ge=1, le=31), AfterValidator(_odd)]
Expansion = Annotated[float, Field(gt=0, le=16)]
Switch = Annotated[int, Field(ge=0, le=1)]
Groups = Annotated[int, Field(ge=1, le=64)]
Activation = Annotated[str, AfterValidator(_known_activation)]
Share = Annotated[float, Field(gt=0, le=16)]
Text = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.\-]+$")]

Settled: TypeAlias = int | float | str
Option: TypeAlias = Settled | list[Any]


class _Table(BaseModel):
    """A table of the file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _lists_hold_something(cls, table: Any) -> Any:
        if isinstance(table, dict):
            held = cast("dict[str, object]", table)
            if empty := [key for key, value in held.items() if value == []]:
                raise ValueError(f"{empty[0]}: a list of values is empty")
        return cast(Any, table)


class Network(_Table):
    """Options of the whole network."""

    scale: Share | list[Share] = 1.0
    least_side: Annotated[int, Field(ge=1, le=4096)] = 1
    multiplier: Share | list[Share] = 1.0
    activation: Activation | list[Activation] = "relu"


class Stem(_Table):
    """The first convolution."""

    width: Width | list[Width] = 16
    kernel: Kernel | list[Kernel] = 3
    stride: Stride | list[Stride] = 1


class Head(_Table):
    """The 1x1 convolution before the classifier."""

    width: Annotated[int, Field(ge=0, le=8192)] | list[Annotated[int, Field(ge=0, le=8192)]] = 0


class Options(_Table):
    """What can be said of a stage's blocks."""

    kernel: Kernel | list[Kernel] = 3
    expansion: Expansion | list[Expansion] = 4
    se: Switch | list[Switch] = 0
    groups: Groups | list[Groups] = 1
    heads: Groups | list[Groups] = 4
    activation: Activation | list[Activation] | None = None


class Preset(_Table):
    """A block of the catalogue with some options settled."""

    block: Text
    kernel: Kernel | None = None
    expansion: Expansion | None = None
    se: Switch | None = None
    groups: Groups | None = None
    heads: Groups | None = None
    activation: Activation | None = None


class Stage(Options):
    """Blocks of one width."""

    block: Text | list[Text] = "mbconv"
    width: Width | list[Width]
    depth: Depth | list[Depth] = 1
    stride: Stride | list[Stride] = 1


class Defaults(Options):
    """Options of every stage."""

    block: Text | list[Text] = "mbconv"
    width: Width | list[Width] | None = None
    depth: Depth | list[Depth] = 1
    stride: Stride | list[Stride] = 1


class MacroFile(_Table):
    """A whole file."""

    name: Text
    about: Annotated[str, Field(max_length=2000)] = ""
    input: TaskShape = TaskShape()
    network: Network = Network()
    stem: Stem = Stem()
    blocks: dict[Text, Preset] = {}
    defaults: Defaults = Defaults()
    stages: Annotated[list[Stage], Field(min_length=1, max_length=MOST_STAGES)]
    head: Head = Head()
    names: dict[str, Text] = {}

    @model_validator(mode="after")
    def _names_exist(self) -> "MacroFile":
        for name, preset in self.blocks.items():
            if preset.block not in CATALOGUE:
                raise ValueError(f"blocks.{name}.block: {_blocks_in_words(preset.block, [])}")
        for number, stage in enumerate(self.stages):
            for block in stage.block if isinstance(stage.block, list) else [stage.block]:
                if block not in CATALOGUE and block not in self.blocks:
                    wrong = _blocks_in_words(block, list(self.blocks))
                    raise ValueError(f"stages.{number}.block: {wrong}")
        if unknown := [n for n in self.names if n not in LETTERS]:
            raise ValueError(f"names.{unknown[0]}: expected one of {', '.join(LETTERS)}")
        return self


def _blocks_in_words(block: str, presets: list[str]) -> str:
    return f"no block {block!r}; there are {', '.join([*presets, *CATALOGUE])}"


def read_macro(path: Path) -> tuple[MacroFile, dict[str, Any]]:
    """The checked file, and its tables as written with defaults filled in: they keep the order.

    Raises:
        RequestError: One line with the file, the key and what is wrong.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise RequestError(f"{path}: larger than {_LARGEST_FILE} bytes")
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RequestError(f"{path}: no readable TOML ({error})") from None
    try:
        checked = MacroFile.model_validate(_with_defaults(tables))
    except ValidationError as error:
        raise RequestError(f"{path}: {_first(error)}") from None
    return checked, tables


def fitted(
    file: MacroFile, tables: dict[str, Any], shape: TaskShape
) -> tuple[MacroFile, dict[str, Any]]:
    """The file without scales and stem strides that leave too little of images of a shape.

    The gentlest value of each always stays.
    """
    side, least = min(shape.height, shape.width), file.network.least_side
    changed = {name: dict(tables.get(name, {})) for name in ("network", "stem")}
    scales, strides = changed["network"].get("scale"), changed["stem"].get("stride")
    if isinstance(scales, list):
        known = cast("list[float]", scales)
        changed["network"]["scale"] = [s for s in known if s * side >= least or s == max(known)]
    if isinstance(strides, list):
        steps = cast("list[int]", strides)
        changed["stem"]["stride"] = [s for s in steps if side >= least * s or s == min(steps)]
    tables = tables | {name: table for name, table in changed.items() if name in tables}
    return MacroFile.model_validate(tables), tables


def _with_defaults(tables: dict[str, Any]) -> dict[str, Any]:
    """The tables with `defaults` in every stage, and the stages so filled put into `tables`."""
    defaults: Any = tables.get("defaults", {})
    stages: Any = tables.get("stages", [])
    with suppress(TypeError):  # what is no table is left for the checks to name
        tables["stages"] = [{**defaults, **stage} for stage in stages]
    return tables


def _first(error: ValidationError) -> str:
    """The first complaint with its key; of a choice's spellings the closest one."""
    found = error.errors(include_url=False, include_context=False)[0]
    words = [str(part) for part in found["loc"]]
    keys = [w for w in words if w.isdigit() or (w.replace("_", "").isalnum() and w.islower())]
    kinds = {"int", "float", "str", "constrained", "list"}
    key = ".".join(k for k in keys if k.split("[")[0] not in kinds)
    message = found["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message
