"""What a truth model reads: 0/1 columns of `name=value` tokens, and a few derived numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from llm_nas.domain import Arch, FloatArray
from llm_nas.errors import RequestError

Columns: TypeAlias = Mapping[str, FloatArray]
"""`(n,)` values of every choice by name; 0 where it is inactive."""

_DERIVED_SCALE = 1 / 3
"""Size of derived numbers beside the zeros and ones; they are many and correlated."""
_ANB_CHANNELS_IN = (32, 16, 24, 40, 80, 112, 192)
_ANB_CHANNELS_OUT = (16, 24, 40, 80, 112, 192, 320)
_ANB_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_ANB_PIXELS = 112
_ANB_DEEPEST = 4


@dataclass(frozen=True)
class Inputs:
    """Reads texts `name=value name=value ...`; inactive choices leave zeros."""

    space: str
    tokens: tuple[str, ...]
    """`name=value` of every 0/1 column, in order."""
    center: FloatArray
    """`(d,)` means of the derived numbers over the rows that the model was fitted on."""
    scale: FloatArray
    """`(d,)` standard deviations of them."""

    @cached_property
    def _column_of(self) -> dict[str, int]:
        return {token: column for column, token in enumerate(self.tokens)}

    def matrix(self, archs: Sequence[Arch]) -> npt.NDArray[np.float32]:
        """`(n, inputs)`.

        Raises:
            RequestError: A text has a choice or value that the model has never seen.
        """
        flags = self.flags(archs)
        derived = DERIVED[self.space](values_of(self.tokens, flags))
        scaled = _DERIVED_SCALE * (derived - self.center) / self.scale
        return np.hstack([flags, scaled.astype(np.float32)])

    def flags(self, archs: Sequence[Arch]) -> npt.NDArray[np.float32]:
        """`(n, len(tokens))` of zeros and ones; raises as `matrix`."""
        column_of = self._column_of
        columns: list[int] = []
        lengths: list[int] = []
        for arch in archs:
            try:
                found = [column_of[token] for token in arch.split(" ")]
            except KeyError as error:
                raise RequestError(
                    f"arch '{arch}': {error.args[0]!r} is not in the table of {self.space}"
                ) from None
            columns += found
            lengths.append(len(found))
        flags = np.zeros((len(archs), len(self.tokens)), dtype=np.float32)
        flags[np.repeat(np.arange(len(archs)), lengths), columns] = 1.0
        return flags


def fitted_inputs(space: str, archs: Sequence[Arch]) -> Inputs:
    """Inputs whose tokens and scales are those of some architectures."""
    tokens = tuple(dict.fromkeys(token for arch in archs for token in arch.split(" ")))
    ordered = tuple(sorted(tokens, key=_natural))
    plain = Inputs(space, ordered, np.zeros(1), np.ones(1))
    derived = DERIVED[space](values_of(ordered, plain.flags(archs)))
    return Inputs(space, ordered, derived.mean(axis=0), derived.std(axis=0) + 1e-9)


def _natural(token: str) -> tuple[str, int]:
    name, _, value = token.partition("=")
    return name, int(value)


def values_of(tokens: Sequence[str], flags: npt.NDArray[np.float32]) -> Columns:
    """The numbers behind 0/1 columns, `(n,)` by choice."""
    values: dict[str, FloatArray] = {}
    for column, token in enumerate(tokens):
        name, _, value = token.partition("=")
        share = flags[:, column].astype(np.float64) * int(value)
        values[name] = values[name] + share if name in values else share
    return values


def _anb(values: Columns) -> FloatArray:
    """`(n, d)`: logarithms of MACs and parameters by stage, products of choices, and totals."""
    e, k, depth, s = (
        np.stack([values[f"{part}{stage + 1}"] for stage in range(7)], axis=1)
        for part in ("e", "k", "l", "se")
    )
    macs, params = _anb_costs(e, k, depth, s)
    log_e, wide = np.log(e), k - 3
    by_stage = (
        *(np.log(macs), np.log(params), np.log(e * depth), depth * s, log_e * s, depth * log_e),
        *(depth * wide, log_e * wide, s * wide, np.cumsum(depth * k / 3, axis=1)),
    )
    totals = (
        *(np.log(macs.sum(1)), np.log(params.sum(1)), depth.sum(1), (depth * s).sum(1), s.sum(1)),
        *((s.sum(1) == 0).astype(np.float64), (depth * wide).sum(1), np.log(e * depth).sum(1)),
        *(
            np.log((e * depth).sum(1)),
            np.log(e * depth).sum(1) ** 2,
            log_e.sum(1),
            (depth * log_e).sum(1),
        ),
    )
    return np.hstack([*by_stage, np.stack(totals, axis=1)])


def _anb_costs(
    e: FloatArray, k: FloatArray, depth: FloatArray, s: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Multiply-adds and weights of the convolutions by stage, `(n, 7)` each, biases left out."""
    macs, params = np.zeros(e.shape), np.zeros(e.shape)
    pixels = _ANB_PIXELS
    stages = zip(_ANB_CHANNELS_IN, _ANB_CHANNELS_OUT, _ANB_STRIDES, strict=True)
    for stage, (channels_in, channels_out, stride) in enumerate(stages):
        out_pixels = pixels // stride
        for layer in range(_ANB_DEEPEST):
            on = depth[:, stage] > layer
            first = layer == 0
            narrow = channels_in if first else channels_out
            area = (pixels if first else out_pixels) ** 2
            middle = narrow * e[:, stage]
            expands = (e[:, stage] > 1) * narrow * middle
            depthwise = k[:, stage] ** 2 * middle
            project = middle * channels_out
            macs[:, stage] += on * (expands * area + (depthwise + project) * out_pixels**2)
            squeeze = s[:, stage] * middle * narrow / 2
            params[:, stage] += on * (expands + depthwise + project + squeeze)
        pixels = out_pixels
    return macs, params


def _hwgpt(values: Columns) -> FloatArray:
    """`(n, d)`: every layer's heads and MLP ratio for each embedding width, and totals."""
    embed, layers = values["embed"], values["layers"]
    heads = np.stack([values[f"heads{i + 1}"] for i in range(12)], axis=1)
    mlp = np.stack([values[f"mlp{i + 1}"] for i in range(12)], axis=1)
    widths = [(embed == width)[:, None] for width in np.unique((192, 384, 768))]
    on = (mlp > 0).astype(np.float64)
    blocks = embed**2 * (4 * layers + 2 * mlp.sum(1))
    centred = np.hstack([on * (heads - 8) / 4, on * (mlp - 3)])
    totals = (
        *(np.log(blocks), np.log(blocks + 50304 * embed), np.log(embed), mlp.sum(1)),
        *(heads.sum(1), mlp.sum(1) / layers, heads.sum(1) / layers, layers * embed),
        *(mlp.sum(1) * embed, heads.sum(1) * embed, (heads * mlp).sum(1)),
        *((heads == 4).sum(1), (mlp == 2).sum(1), (heads == 12).sum(1), (mlp == 4).sum(1)),
    )
    return np.hstack([*(centred * width for width in widths), np.stack(totals, axis=1)])


DERIVED: Mapping[str, Callable[[Columns], FloatArray]] = {"anb": _anb, "hwgpt-s": _hwgpt}
"""Derived numbers by space."""
