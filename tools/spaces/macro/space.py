"""A space of stages of repeated blocks, from a checked file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from llm_nas.choices import Choice
from llm_nas.conditions import AllOf, Bound, Condition, Is, Value
from llm_nas.domain import Arch, TaskShape
from llm_nas.ports import QuantityInfo
from llm_nas.tools.spaces.macro.blocks import CATALOGUE, USES, Wanted
from llm_nas.tools.spaces.macro.plan import (
    Act,
    Classifier,
    Conv,
    Cost,
    Norm,
    Plan,
    Resize,
    cost,
)
from llm_nas.tools.spaces.macro.schema import LETTERS, MacroFile, Stage
from llm_nas.tools.spaces.space import Measure, Space, Values
from llm_nas.tools.spaces.words import described

if TYPE_CHECKING:
    from torch import nn

QUANTITIES = (
    QuantityInfo("params_m", "M", "parameters"),
    QuantityInfo("macs_m", "M", "multiply-adds of an image"),
    QuantityInfo("activations_m", "M", "output elements of all convolutions"),
    QuantityInfo("depth", "", "blocks in all stages", whole=True),
    QuantityInfo("early_share", "", "share of multiply-adds in stem and first half of stages"),
)
_WORDS = {
    "scale": "factor of the image's sides",
    "multiplier": "factor of all widths",
    "activation": "activation function",
    "stem_width": "channels of the stem",
    "stem_kernel": "kernel of the stem",
    "stem_stride": "stride of the stem",
    "head_width": "channels before the classifier",
    "block": "block",
    "width": "channels",
    "depth": "number of blocks",
    "stride": "stride",
    "kernel": "kernel size",
    "expansion": "expansion ratio",
    "se": "squeeze-and-excitation",
    "groups": "groups of 1x1 convolutions",
    "heads": "attention heads",
}
_STAGE_CACHE = 1 << 16


@dataclass(frozen=True, slots=True)
class _Part:
    """What a stage, at one place in a network, costs and hands on."""

    cost: Cost
    channels: int
    blocks: int


class MacroSpace(Space):
    """Stages of blocks; Buildable, its parameters and multiply-adds known without torch."""

    def __init__(
        self,
        file: MacroFile,
        tables: Mapping[str, Any],
        *,
        name: str | None = None,
        shape: TaskShape | None = None,
    ) -> None:
        """Take a checked file, its tables as written (for the order) and the task's shape."""
        self._file = file
        self._shape = shape or file.input
        self._named: list[dict[str, str]] = []
        """Per stage: name of the choice behind an option, where it is a choice."""
        choices = [*self._whole(tables), *self._staged(tables)]
        choices += _listed(tables, "head", "head_")
        self._part = lru_cache(maxsize=_STAGE_CACHE)(self._stage_part)
        unused: dict[QuantityInfo, Measure] = dict.fromkeys(QUANTITIES, lambda _: 0.0)
        super().__init__(name or file.name, choices, quantities=unused)
        self._about = file.about

    # Choices

    def _whole(self, tables: Mapping[str, Any]) -> list[Choice]:
        return [*_listed(tables, "network", ""), *_listed(tables, "stem", "stem_")]

    def _staged(self, tables: Mapping[str, Any]) -> list[Choice]:
        letters = {**LETTERS, **self._file.names}
        choices: list[Choice] = []
        for number, table in enumerate(tables["stages"], start=1):
            stage = self._file.stages[number - 1]
            options = [key for key, value in table.items() if isinstance(value, list)]
            options.sort(key=lambda key: _rank(key, stage))
            named = {option: f"{letters[option]}{number}" for option in options}
            for option in options:
                gate = self._gate_of(option, stage, named)
                words = f"{_WORDS[option]} of stage {number}"
                choices.append(_choice(named[option], table[option], words, gate))
            self._named.append(named)
        return choices

    def _gate_of(self, option: str, stage: Stage, named: Mapping[str, str]) -> Condition | None:
        """A stage's choice sleeps where the stage is left out or its block has no use for it."""
        gates: list[Condition] = []
        if _can_vanish(stage) and option != "depth":
            gates.append(Bound(choice=named["depth"], relation="ge", value=1))
        if isinstance(stage.block, list) and option not in ("block", "depth", "width", "stride"):
            users = tuple(b for b in stage.block if self._uses(b, option))
            if len(users) < len(stage.block) and users:
                gates.append(Is(choice=named["block"], values=users))
        if not gates:
            return None
        return gates[0] if len(gates) == 1 else AllOf(parts=tuple(gates))

    def _uses(self, block: str, option: str) -> bool:
        preset = self._file.blocks.get(block)
        if preset is None:
            return option in USES[block]
        return getattr(preset, option) is None and option in USES[preset.block]

    # Networks

    def build(self, arch: Arch, shape: TaskShape) -> "nn.Module":
        """The network, untrained; torch's random state seeds its weights."""
        from llm_nas.tools.spaces.macro.network import network

        return network(self.plan(arch, shape))

    def plan(self, arch: Arch, shape: TaskShape) -> Plan:
        """The layers of a network, without weights."""
        values = self.values(arch)
        first, channels = self._stem(values, shape)
        nodes: list[Plan] = [first]
        for stage in range(len(self._file.stages)):
            plan, channels = self._stage_plan(stage, self._key(stage, values), channels)
            nodes.append(plan)
        nodes.append(self._head(values, channels, shape))
        return tuple(node for plan in nodes for node in plan)

    def _stem(self, values: Values, shape: TaskShape) -> tuple[Plan, int]:
        """Resizing and the first convolution, and its channels."""
        network, stem = self._file.network, self._file.stem
        scale = _number(values, "scale", network.scale)
        width = self._widened(_number(values, "stem_width", stem.width), values)
        kernel = int(_number(values, "stem_kernel", stem.kernel))
        stride = int(_number(values, "stem_stride", stem.stride))
        plan: Plan = (
            Conv(shape.channels, width, kernel, stride),
            Norm(width),
            Act(self._activation(values)),
        )
        if scale != 1:
            height, wide = (max(round(side * scale), 1) for side in (shape.height, shape.width))
            plan = (Resize(height, wide), *plan)
        return plan, width

    def _head(self, values: Values, channels: int, shape: TaskShape) -> Plan:
        width = int(_number(values, "head_width", self._file.head.width))
        if not width:
            return (Classifier(channels, shape.classes),)
        act = Act(self._activation(values))
        return (Conv(channels, width), Norm(width), act, Classifier(width, shape.classes))

    def _activation(self, values: Values) -> str:
        return str(values.get("activation", self._file.network.activation))

    def _widened(self, width: float, values: Values) -> int:
        """A width times the multiplier, rounded to a multiple of 8 unless that is 1."""
        factor = _number(values, "multiplier", self._file.network.multiplier)
        return int(width) if factor == 1 else max(int(width * factor + 4) // 8 * 8, 8)

    def _key(self, stage: int, values: Values) -> tuple[Value | None, ...]:
        """Everything a stage's blocks depend on, beside what they are handed."""
        named = self._named[stage]
        width = (
            values.get(named["width"], 0) if "width" in named else self._file.stages[stage].width
        )
        assert isinstance(width, int)
        own = (values.get(name) for name in named.values())
        return (self._widened(width, values), self._activation(values), *own)

    def _stage_plan(
        self, stage: int, key: tuple[Value | None, ...], channels: int
    ) -> tuple[Plan, int]:
        """Blocks of a stage and the channels they end with."""
        width, activation, *own = key
        options = dict(self._file.stages[stage])
        held = dict(zip(self._named[stage], own, strict=True))
        options |= {option: value for option, value in held.items() if value is not None}
        if isinstance(options["depth"], int) and options["depth"] == 0:
            return (), channels
        block = str(options.pop("block"))
        if block in self._file.blocks:
            preset = self._file.blocks[block]
            block = preset.block
            options |= {key: value for key, value in preset if value is not None}
        options["activation"] = options["activation"] or activation
        settled = {k: v for k, v in options.items() if not isinstance(v, list | tuple)}
        assert isinstance(width, int)
        return _blocks(block, settled, channels, width), width

    # Numbers

    def _stage_part(
        self, stage: int, key: tuple[Value | None, ...], channels: int, height: int, width: int
    ) -> _Part:
        plan, after = self._stage_plan(stage, key, channels)
        named = self._named[stage]
        depth = key[2 + list(named).index("depth")] if "depth" in named else None
        blocks = depth if depth is not None else self._file.stages[stage].depth
        assert isinstance(blocks, int)
        return _Part(cost(plan, height, width), after, blocks)

    def _measure(self, values: Values) -> Iterable[float]:
        """`QUANTITIES` of a network for the space's shape."""
        first, channels = self._stem(values, self._shape)
        parts = [cost(first, self._shape.height, self._shape.width)]
        depth = 0
        for stage in range(len(self._file.stages)):
            key = self._key(stage, values)
            part = self._part(stage, key, channels, parts[-1].height, parts[-1].width)
            channels, depth = part.channels, depth + part.blocks
            parts.append(part.cost)
        head = self._head(values, channels, self._shape)
        early = sum(p.macs for p in parts[: 1 + len(self._file.stages) // 2])
        parts.append(cost(head, parts[-1].height, parts[-1].width))
        macs = sum(p.macs for p in parts)
        millions = (sum(p.params for p in parts), macs, sum(p.activations for p in parts))
        return [*(number / 1e6 for number in millions), float(depth), early / macs]

    def describe(self) -> str:
        """The file's own words, then its choices."""
        shown = described(self.name, self.choices, QUANTITIES, self.log10_size)
        shape = self._shape
        image = f"Images of {shape.channels} x {shape.height} x {shape.width}"
        return f"{self._about.strip()}\n{shown}\n{image}, {shape.classes} classes.".strip()


def _blocks(block: str, options: Mapping[str, Any], channels: int, width: int) -> Plan:
    """`depth` blocks, the first of which takes the stride and changes the width."""
    nodes: list[Plan] = []
    for number in range(int(options["depth"])):
        wanted = Wanted(
            c_in=channels,
            c_out=width,
            stride=int(options["stride"]) if number == 0 else 1,
            kernel=int(options.get("kernel", 3)),
            expansion=float(options.get("expansion", 1)),
            se=int(options.get("se", 0)),
            groups=int(options.get("groups", 1)),
            heads=int(options.get("heads", 1)),
            activation=str(options["activation"]),
        )
        nodes.append(CATALOGUE[block](wanted))
        channels = width
    return tuple(node for plan in nodes for node in plan)


def _listed(tables: Mapping[str, Any], table: str, prefix: str) -> list[Choice]:
    """Choices of the network, the stem or the head, in the order of the file."""
    options = {prefix + key: value for key, value in tables.get(table, {}).items()}
    listed = {name: value for name, value in options.items() if isinstance(value, list)}
    return [_choice(name, values, _WORDS[name], None) for name, values in listed.items()]


def _choice(name: str, values: list[Any], words: str, gate: Condition | None) -> Choice:
    kept = tuple(int(v) if isinstance(v, float) and v.is_integer() else v for v in values)
    numbers = [v for v in kept if not isinstance(v, str)]
    ordered = len(numbers) == len(kept) and kept != (0, 1)
    return Choice(name, tuple(sorted(numbers)) if ordered else kept, ordered, gate, words)


def _rank(option: str, stage: Stage) -> int:
    """Options that decide whether others are active come first."""
    if option == "depth" and _can_vanish(stage):
        return 0
    return 1 if option == "block" else 2


def _can_vanish(stage: Stage) -> bool:
    return isinstance(stage.depth, list) and 0 in stage.depth


def _number(values: Values, name: str, settled: Any) -> float:
    held = values.get(name, settled)
    assert isinstance(held, int | float)
    return held
