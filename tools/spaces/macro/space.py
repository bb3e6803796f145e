"""A space of stages of repeated blocks, from a checked file."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

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
_REMEMBERED = 1 << 16


class _Stage(NamedTuple):
    """Blocks of a stage at one place of a network; the first has the stride."""

    block: str
    depth: int
    first: Wanted
    later: Wanted


class _Part(NamedTuple):
    """What a stage at one place of a network holds, does and hands on."""

    params: int
    macs: int
    activations: int
    depth: int
    channels: int
    height: int
    width: int


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
        self.shape = shape or file.input
        """What sizes are told for."""
        self._named: list[dict[str, str]] = []
        """Per stage: name of the choice behind an option, where it is a choice."""
        choices = [*self._whole(tables), *self._staged(tables)]
        choices += _listed(tables, "head", "head_")
        self._usual_options = [
            {key: v[0] if key in named else v for key, v in stage}
            for stage, named in zip(file.stages, self._named, strict=True)
        ]
        self._presets = {
            name: {key: value for key, value in preset if value is not None}
            for name, preset in file.blocks.items()
        }
        self._part = lru_cache(maxsize=_REMEMBERED)(self._stage_part)
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
        factor, activation = self._factor(values), self._activation(values)
        for number in range(len(self._file.stages)):
            stage = self._stage(number, self._own(number, values), factor, channels, activation)
            if stage.depth:
                nodes.append(CATALOGUE[stage.block](stage.first))
                nodes += [CATALOGUE[stage.block](stage.later)] * (stage.depth - 1)
                channels = stage.later.c_out
        nodes.append(self._head(values, channels, shape))
        return tuple(node for plan in nodes for node in plan)

    def _stem(self, values: Values, shape: TaskShape) -> tuple[Plan, int]:
        """Resizing and the first convolution, and its channels."""
        network, stem = self._file.network, self._file.stem
        scale = _number(values, "scale", network.scale)
        width = _widened(_number(values, "stem_width", stem.width), self._factor(values))
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

    def _factor(self, values: Values) -> float:
        return _number(values, "multiplier", self._file.network.multiplier)

    def _own(self, number: int, values: Values) -> tuple[Value | None, ...]:
        """Values of a stage's choices, None where one is inactive."""
        return tuple(map(values.get, self._named[number].values()))

    def _stage(
        self,
        number: int,
        own: tuple[Value | None, ...],
        factor: float,
        channels: int,
        activation: str,
    ) -> _Stage:
        """The blocks of a stage that is handed `channels`."""
        options = self._settled(number, own)
        width = _widened(options["width"], factor)
        later = Wanted(
            c_in=width,
            c_out=width,
            stride=1,
            kernel=options["kernel"],
            expansion=options["expansion"],
            se=options["se"],
            groups=options["groups"],
            heads=options["heads"],
            activation=options["activation"] or activation,
        )
        first = later._replace(c_in=channels, stride=options["stride"])
        return _Stage(options["block"], options["depth"], first, later)

    def _settled(self, number: int, own: tuple[Value | None, ...]) -> dict[str, Any]:
        """Every option of a stage, its choices settled; what is not used has any value."""
        options = dict(self._usual_options[number])
        held = zip(self._named[number], own, strict=True)
        options |= {option: value for option, value in held if value is not None}
        if options["block"] in self._file.blocks:
            options |= self._presets[options["block"]]
        return options

    # Numbers

    def _measure(self, values: Values) -> Iterable[float]:
        """`QUANTITIES` of a network for the space's shape."""
        first, channels = self._stem(values, self.shape)
        at = _plan_cost(first, self.shape.height, self.shape.width)
        params, macs, activations, height, width = at
        factor, depth, early = self._factor(values), 0, macs
        for number in range(len(self._file.stages)):
            own = self._own(number, values)
            part = self._part(number, own, factor, channels, height, width)
            params, macs = params + part.params, macs + part.macs
            activations, depth = activations + part.activations, depth + part.depth
            channels, height, width = part.channels, part.height, part.width
            if number < len(self._file.stages) // 2:
                early = macs
        at = _plan_cost(self._head(values, channels, self.shape), height, width)
        macs += at.macs
        sums = (params + at.params, macs, activations + at.activations)
        return [*(number / 1e6 for number in sums), float(depth), early / macs]

    def _stage_part(
        self,
        number: int,
        own: tuple[Value | None, ...],
        factor: float,
        channels: int,
        height: int,
        width: int,
    ) -> _Part:
        stage = self._stage(number, own, factor, channels, "")
        if not stage.depth:
            return _Part(0, 0, 0, 0, channels, height, width)
        first = _block_cost(stage.block, stage.first, height, width)
        later = _block_cost(stage.block, stage.later, first.height, first.width)
        times = stage.depth - 1
        return _Part(
            first.params + times * later.params,
            first.macs + times * later.macs,
            first.activations + times * later.activations,
            stage.depth,
            stage.later.c_out,
            first.height,
            first.width,
        )

    def describe(self) -> str:
        """The file's own words, then its choices."""
        shown = described(self.name, self.choices, QUANTITIES, self.log10_size)
        shape = self.shape
        image = f"Images of {shape.channels} x {shape.height} x {shape.width}"
        return f"{self._about.strip()}\n{shown}\n{image}, {shape.classes} classes.".strip()


_plan_cost = lru_cache(maxsize=_REMEMBERED)(cost)


@lru_cache(maxsize=_REMEMBERED)
def _block_cost(block: str, wanted: Wanted, height: int, width: int) -> Cost:
    return cost(CATALOGUE[block](wanted), height, width)


def _widened(width: float, factor: float) -> int:
    """A width times the multiplier, rounded to a multiple of 8 unless that is 1."""
    return int(width) if factor == 1 else max(int(width * factor + 4) // 8 * 8, 8)


def _listed(tables: Mapping[str, Any], table: str, prefix: str) -> list[Choice]:
    """Choices of the network, the stem or the head, in the order of the file."""
    options = {prefix + key: value for key, value in tables.get(table, {}).items()}
    listed = [name for name, value in options.items() if isinstance(value, list)]
    return [_choice(name, options[name], _WORDS[name], None) for name in listed]


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
