"""What is asked of a model outside a search: memory and bias."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from llm_nas.agents.chat import ChatReply, ChatRequest
from llm_nas.agents.chat_errors import CallFailed
from llm_nas.agents.chat_nonsense import NonsenseTransport
from llm_nas.agents.chat_options import ModelOptions
from llm_nas.errors import RequestError
from llm_nas.experiments.bias import BiasSetting, draw_bias, latency_coverage, measure_bias
from llm_nas.experiments.probe_memory import MemorySetting, kendall_tau, probe_memory
from llm_nas.tools.partition import make_partition
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
CONVS = np.sum(SPACE.codes() == SPACE.operations.index("nor_conv_3x3"), axis=1).astype(np.float64)


class Scripted:
    """Answers each request with a function of it."""

    def __init__(self, answer: Callable[[ChatRequest], str]) -> None:
        self._answer = answer

    def send(self, request: ChatRequest) -> ChatReply:
        return ChatReply(self._answer(request), 1, 1, "m", "json_schema")


def recite(request: ChatRequest) -> str:
    """Score a cell by the number of nor_conv_3x3 it names: knows names, is lost without."""
    lines = [x for x in request.messages[-1].content.splitlines() if x.startswith("C")]
    scores = [f'"{x[:3]}": {x.count("nor_conv_3x3")}' for x in lines if x[3:5] == " ["]
    return "{" + ", ".join(scores) + "}"


def test_a_reciting_model_is_found_out() -> None:
    setting = MemorySetting("m", "cifar10", cells=20, rounds=2)
    probe = probe_memory(setting, Scripted(recite), ModelOptions(), SPACE, CONVS)
    assert probe.named.mean == pytest.approx(1.0)
    assert probe.blind.mean == 0.0
    assert (probe.named.failed, probe.blind.failed) == (0, 0)


def test_nonsense_has_no_memory() -> None:
    setting = MemorySetting("m", "cifar10", cells=30, rounds=8)
    probe = probe_memory(setting, NonsenseTransport(1), ModelOptions(), SPACE, CONVS)
    assert probe.named.mean is not None
    assert abs(probe.named.mean) < 0.2


def test_failing_rounds_are_counted() -> None:
    def refuse(request: ChatRequest) -> str:
        raise CallFailed("refusal", "no")

    setting = MemorySetting("m", "cifar10", rounds=2)
    probe = probe_memory(setting, Scripted(refuse), ModelOptions(), SPACE, CONVS)
    assert (probe.named.mean, probe.named.failed, probe.blind.failed) == (None, 2, 2)
    assert probe.blind.failure == "refusal: no"


def test_kendall_tau_in_closed_form() -> None:
    one = np.array([1.0, 2.0, 3.0, 4.0])
    assert kendall_tau(one, one) == pytest.approx(1.0)
    assert kendall_tau(one, -one) == pytest.approx(-1.0)
    assert kendall_tau(one, np.array([1.0, 2.0, 4.0, 3.0])) == pytest.approx(4 / 6)
    assert kendall_tau(np.ones(4), one) == 0.0


def test_asking_by_niche_reaches_every_niche(tmp_path: Path) -> None:
    partition = make_partition(SPACE)
    setting = BiasSetting("m", "cifar10", "edgegpu", cells=24, batch=4)
    latency_ms = 1 + CONVS
    report = measure_bias(
        setting, NonsenseTransport(0), ModelOptions(), SPACE, partition, latency_ms
    )
    assert [way.way for way in report.ways] == ["plain", "latency", "niches"]
    assert all(len(way.cells) == 24 and way.failed == 0 for way in report.ways)
    assert report.ways[2].niches == dict.fromkeys(("S0", "S1", "S2", "S3", "S4", "S5"), 4)
    with pytest.raises(RequestError, match=r"--picture .* cannot be written"):
        draw_bias(report, latency_ms, tmp_path / "nowhere" / "bias.png")
    draw_bias(report, latency_ms, tmp_path / "bias.png")
    assert (tmp_path / "bias.png").stat().st_size > 5_000


def test_a_model_with_one_favourite_has_no_coverage() -> None:
    def favourite(request: ChatRequest) -> str:
        cell = '{"arch": "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|"}'
        return f'{{"cells": [{cell}, {cell}, {cell}, {cell}]}}'

    report = measure_bias(
        BiasSetting("m", "cifar10", "edgegpu", cells=8),
        Scripted(favourite),
        ModelOptions(),
        SPACE,
        make_partition(SPACE),
        1 + CONVS,
    )
    plain = report.ways[0]
    assert (plain.distinct, plain.niches["S3"], plain.latency_coverage) == (1, 8, 0.1)


def test_latency_coverage_counts_tenths() -> None:
    everything = np.array([0.0, 10.0, np.nan])
    assert latency_coverage(np.array([0.5, 0.6, 9.9, 10.0]), everything) == 0.2
    assert latency_coverage(np.empty(0), everything) == 0.0


def test_settings_are_checked() -> None:
    with pytest.raises(RequestError):
        probe_memory(
            MemorySetting("m", "cifar10", 1), NonsenseTransport(), ModelOptions(), SPACE, CONVS
        )
    with pytest.raises(RequestError):
        measure_bias(
            BiasSetting("m", "cifar10", "edgegpu", 0),
            NonsenseTransport(),
            ModelOptions(),
            SPACE,
            make_partition(SPACE),
            CONVS,
        )
