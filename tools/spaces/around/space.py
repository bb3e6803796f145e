"""A family of networks around one: channels, heads, blocks, kernels and images cut away."""
# torch tells little of its modules' types, torch-pruning nothing.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportPrivateUsage=false

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from llm_nas.choices import Choice
from llm_nas.conditions import AllOf, Condition, Is
from llm_nas.domain import Arch, TaskShape
from llm_nas.ports import QuantityInfo
from llm_nas.tools.spaces.around.address import Address
from llm_nas.tools.spaces.around.base import Base, open_base
from llm_nas.tools.spaces.around.blocks import cropped, dropped
from llm_nas.tools.spaces.around.channels import Coupled, by_taylor, copied, gone, remove
from llm_nas.tools.spaces.around.fitted import at_scale, example, run
from llm_nas.tools.spaces.around.plan import (
    SHARES,
    Plan,
    Stage,
    make_plan,
    own_name,
)
from llm_nas.tools.spaces.around.sizes import Layer
from llm_nas.tools.spaces.space import Space, Values

if TYPE_CHECKING:
    from llm_nas.tools.spaces.around.base import Normalisation
    from llm_nas.tools.tasks.labelled import FitData

_NAMED = 6
_RANKED, _RANKED_BATCH = 512, 64
_RECALIBRATION_BATCH = 100
_RECALIBRATION_BATCHES = 8


class AroundSpace(Space):
    """Members of one network, which start from its weights. The full member is the network."""

    def __init__(self, address: Address, shape: TaskShape | None = None) -> None:
        """Make, trace and prove; `RequestError` where nothing of the network can be changed."""
        self.shape = shape or TaskShape()
        self.address = address
        self.base: Base = open_base(address, self.shape)
        self.plan: Plan = make_plan(self.base, self.shape)
        self._images = example(self.shape)
        self.scores: Mapping[str, Sequence[float]] = {}
        """Importance of channels by the root of their group, where it is known of a task."""
        choices = list(_choices(self.plan))
        quantities = {
            QuantityInfo("params_m", "M", "parameters"): self._params_m,
            QuantityInfo("macs_m", "M", "multiply-adds of an image"): self._macs_m,
            QuantityInfo("depth", "", "residual blocks kept", whole=True): self._depth,
        }
        name = f"{self.base.label}-{self.base.digest}"
        super().__init__(name, choices, build=self._member, quantities=quantities)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know: new heads, missing weights, parts that are kept whole."""
        whole = self.plan.whole
        if not whole:
            return self.base.notes
        more = f" and {len(whole) - _NAMED} more" if len(whole) > _NAMED else ""
        shown = f"{self.base.label}: kept whole: {'; '.join(whole[:_NAMED])}{more}"
        return (*self.base.notes, shown)

    @property
    def normalisation(self) -> "Normalisation | None":
        """Mean and deviation by the base's card; None: the task's own."""
        return self.base.normalisation

    @property
    def inherits(self) -> bool:
        """Whether members start from trained weights, and are tuned rather than trained."""
        return self.base.inherits

    @cached_property
    def full(self) -> Arch:
        """The base itself."""
        return self.arch({c.name: c.values[-1] for c in self.choices})

    def uniform(self) -> tuple[tuple[str, Arch], ...]:
        """The base and its versions with the same share of all channels, by name."""
        named: dict[Arch, str] = {}
        for share in SHARES:
            values = {c.name: c.values[-1] for c in self.choices}
            for stage in self.plan.stages:
                number = len(stage.groups[0].units)
                keep = min(stage.keeps, key=lambda k: (abs(k - share * number), k))
                values[stage.name] = keep * stage.unit
            text = "the base itself" if share == 1 else f"the base, {share:g} of its channels"
            named.setdefault(self.arch(values), text)
        return tuple((text, arch) for arch, text in named.items())

    # Networks

    def _member(self, values: Values, shape: TaskShape) -> nn.Module:
        if shape != self.shape:
            return AroundSpace(self.address, shape)._member(values, shape)
        network = copied(self.base.network)
        cuts = [
            (group, gone(group, self._kept(stage, values), self.worth(group)))
            for stage in self.plan.stages
            for group in stage.groups
        ]
        if any(channels for _, channels in cuts):
            remove(network, self._images, cuts)
        for number, (name, _) in enumerate(self.plan.kernels, start=1):
            side = int(values.get(f"k{number}", 0))
            layer = cast("nn.Conv2d", network.get_submodule(name))
            if side and side < layer.kernel_size[0]:
                cropped(layer, side)
        for number, block in enumerate(self.plan.blocks, start=1):
            if not values[f"b{number}"]:
                dropped(network, block)
        return at_scale(network, self.shape, float(values.get("scale", 1.0)))

    def rank(self, data: "FitData") -> None:
        """Rank channels by what a task's loss is expected to lose, from a few of its images.

        Trainings do not ask for it: the norm of the weights ranked better on the larger base that
        was measured (docs/notebook/around.md). Nothing is done where the base has a new head.
        """
        if self.scores or self.base.new_head:
            return
        mean, deviation = self.normalisation or (data.mean, data.deviation)
        pixels = torch.from_numpy(data.train.pixels[:_RANKED]).float() / 255
        pixels = (pixels - _per_channel(mean)) / _per_channel(deviation)
        labels = torch.from_numpy(data.train.labels[:_RANKED])
        parts = [slice(i, i + _RANKED_BATCH) for i in range(0, len(labels), _RANKED_BATCH)]
        batches = [(pixels[part], labels[part]) for part in parts]
        self.scores = by_taylor(self.base.network, self._images, batches, self.plan.kept)

    def worth(self, group: Coupled) -> Sequence[float]:
        """Importance of every channel of a group."""
        return self.scores.get(group.root, group.magnitude)

    def _kept(self, stage: Stage, values: Values) -> int:
        """Units that stay; all where the choice sleeps: its block is dropped."""
        full = len(stage.groups[0].units)
        return int(values.get(stage.name, full * stage.unit)) // stage.unit

    def prepare(self, network: nn.Module, data: "FitData") -> None:
        """Fit what batch norms know of their inputs to channels that are gone, in place."""
        norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        norms = [m for m in norms if m.track_running_stats]
        if not norms:
            return
        momenta = [m.momentum for m in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean of all batches
            norm.train()
        with torch.no_grad():
            for first in range(_RECALIBRATION_BATCHES):
                rows = slice(first * _RECALIBRATION_BATCH, (first + 1) * _RECALIBRATION_BATCH)
                if len(pixels := data.train.pixels[rows]) > 1:
                    network(torch.from_numpy(pixels).float() / 255)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        network.eval()

    def logits(self, arch: Arch) -> torch.Tensor:
        """What a member says of the example images: for checks."""
        return run(self.build(arch, self.shape), self._images)  # type: ignore[attr-defined]

    # Numbers

    def _params_m(self, values: Values) -> float:
        return round(self._learned(values) + self._tied) / 1e6

    def _learned(self, values: Values) -> float:
        gone = self._dropped(values)
        return sum(
            layer.parameters(out, inn, pair)
            for layer, out, inn, pair in self._layers(values)
            if layer.name not in gone
        )

    @cached_property
    def _tied(self) -> float:
        """Parameters that layers share are told of each: how many there are less, negative."""
        full = {c.name: c.values[-1] for c in self.choices}
        return self.plan.parameters - self._learned(full)

    def _macs_m(self, values: Values) -> float:
        gone = self._dropped(values)
        scale = self.plan.scales.index(float(values.get("scale", 1.0)))
        return sum(
            layer.macs(out, inn, pair, scale)
            for layer, out, inn, pair in self._layers(values)
            if layer.name not in gone
        ) / 1e6  # fmt: skip

    def _depth(self, values: Values) -> float:
        return float(sum(int(values[f"b{n}"]) for n in range(1, len(self.plan.blocks) + 1)))

    def _dropped(self, values: Values) -> frozenset[str]:
        """Layers of blocks that are dropped."""
        return frozenset(
            name
            for number, names in enumerate(self._of_blocks, start=1)
            if not values[f"b{number}"]
            for name in names
        )

    @cached_property
    def _of_blocks(self) -> tuple[tuple[str, ...], ...]:
        return tuple(
            tuple(layer.name for layer in self.plan.layers if layer.name.startswith(f"{block}."))
            for block in self.plan.blocks
        )

    @cached_property
    def _losses(self) -> Mapping[str, tuple[tuple[str, bool, float, int], ...]]:
        """By layer: the choices that cut it, whether its outputs, times, and units in all."""
        found: dict[str, list[tuple[str, bool, float, int]]] = {}
        for stage in self.plan.stages:
            for group in stage.groups:
                for reach in group.reaches:
                    times = reach.times * len(group.units[0])
                    found.setdefault(reach.layer, []).append(
                        (stage.name, reach.side == "out", times / stage.unit,
                         len(group.units) * stage.unit)
                    )  # fmt: skip
        return {layer: tuple(rows) for layer, rows in found.items()}

    def _layers(self, values: Values) -> Iterator[tuple[Layer, float, float, int]]:
        """Every layer with the output and input channels and the kernel it has in a member."""
        kernels = {name: number for number, (name, _) in enumerate(self.plan.kernels, start=1)}
        for layer in self.plan.layers:
            out, inn, pair = float(layer.out), float(layer.inn), layer.pair
            for stage, outputs, times, full in self._losses.get(layer.name, ()):
                lost = times * (full - int(values.get(stage, full)))
                out, inn = (out - lost, inn) if outputs else (out, inn - lost)
            if layer.name in kernels and f"k{kernels[layer.name]}" in values:
                ndim = 2 if pair == self.plan.kernels[kernels[layer.name] - 1][1][-1] ** 2 else 1
                pair = int(values[f"k{kernels[layer.name]}"]) ** ndim
            yield layer, out, inn, pair


def _per_channel(numbers: Sequence[float]) -> torch.Tensor:
    return torch.tensor(numbers).reshape(1, -1, 1, 1)


def _choices(plan: Plan) -> Iterator[Choice]:
    if len(plan.scales) > 1:
        yield Choice("scale", plan.scales[::-1], ordered=True, words="factor of the image's sides")
    places = {block: number for number, block in enumerate(plan.blocks, start=1)}
    for block, number in places.items():
        yield Choice(
            f"b{number}", (0, 1), ordered=True, words=f"whether block {own_name(block)} is kept"
        )
    for stage in plan.stages:
        gate = _awake([f"b{places[block]}" for block in places if block in stage.blocks])
        kept = tuple(keep * stage.unit for keep in stage.keeps)
        yield Choice(stage.name, kept, ordered=True, active_when=gate, words=stage.words)
    for number, (name, sides) in enumerate(plan.kernels, start=1):
        inside = [f"b{n}" for block, n in places.items() if name.startswith(f"{block}.")]
        words = f"kernel size of {own_name(name)}"
        yield Choice(f"k{number}", sides, ordered=True, active_when=_awake(inside), words=words)


def _awake(blocks: list[str]) -> Condition | None:
    """A choice inside a block sleeps where the block is dropped."""
    parts = tuple(Is(choice=name, values=(1,)) for name in blocks)
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else AllOf(parts=parts)
