"""Exported files: they compute what torch computes, or they are refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from llm_nas.domain import TaskShape
from llm_nas.errors import ToolError
from llm_nas.tools.export.network import Normalised, build
from llm_nas.tools.export.onnx_file import (
    OPSETS,
    Exporter,
    accuracy_pct,
    compare,
    export,
    logits_of,
)
from llm_nas.tools.export.quantise import quantise
from tests.tools.small_space import GOOD, small_space

SHAPE = TaskShape(height=12, width=10, classes=4)
IMAGES = np.random.default_rng(0).random((40, 3, 12, 10), dtype=np.float32)


@pytest.fixture
def network() -> Normalised:
    torch.manual_seed(0)
    made = build(small_space(), GOOD, SHAPE, (0.4, 0.5, 0.6), (0.2, 0.3, 0.2))
    made.train()(torch.rand(64, 3, 12, 10))  # batch norms see something
    return made.eval()


@pytest.mark.parametrize("exporter", ["trace", pytest.param("dynamo", marks=pytest.mark.slow)])
def test_a_file_has_the_promised_form_and_agrees_with_torch(
    network: Normalised, tmp_path: Path, exporter: Exporter
) -> None:
    path = tmp_path / "model.onnx"
    facts = export(network, SHAPE, path, exporter)
    graph = onnx.load(path).graph
    (given,), (got,) = graph.input, graph.output
    assert (given.name, got.name) == ("image", "logits")
    sizes = [d.dim_value or d.dim_param for d in given.type.tensor_type.shape.dim]
    assert isinstance(sizes[0], str)
    assert sizes[1:] == [3, 12, 10]
    assert given.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert compare(path, network, IMAGES) < 1e-4
    assert [len(logits_of(path, IMAGES[:n])) for n in (1, 7)] == [1, 7]
    assert facts.opset == OPSETS[exporter]
    assert facts.file_mb == path.stat().st_size / 1e6
    assert not list(tmp_path.glob("*.part"))


def test_a_file_of_other_weights_is_an_error(network: Normalised, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export(network, SHAPE, path, "trace")
    with torch.no_grad():
        next(network.parameters()).mul_(1.5)
    with pytest.raises(ToolError, match="differs from torch"):
        compare(path, network, IMAGES)


class Unexportable(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        """No exporter can write this."""
        return image.mean(1)[:, :4, :4].inverse().flatten(1)


def test_an_exporters_failure_is_one_line_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(ToolError, match="the trace exporter failed") as caught:
        export(Unexportable(), SHAPE, path, "trace")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_run_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"bad")
    with pytest.raises(ToolError, match=r"bad\.onnx does not run"):
        logits_of(path, IMAGES)
    with pytest.raises(ToolError, match="quantisation failed"):
        quantise(path, tmp_path / "int8.onnx", IMAGES)
    assert not (tmp_path / "int8.onnx").exists()


def test_int8_is_close_to_fp32(network: Normalised, tmp_path: Path) -> None:
    source, path = tmp_path / "model.onnx", tmp_path / "int8.onnx"
    export(network, SHAPE, source, "trace")
    size = quantise(source, path, IMAGES)
    assert size == path.stat().st_size / 1e6
    assert any(node.op_type == "QuantizeLinear" for node in onnx.load(path).graph.node)
    before, after = logits_of(source, IMAGES), logits_of(path, IMAGES)
    assert np.abs(before - after).max() < 0.2 * before.std() + 0.05
    assert np.abs(before - after).max() > 0


def test_accuracy_counts_greatest_logits() -> None:
    logits = np.array([[1, 2], [2, 1], [0, 3], [5, 1]], dtype=np.float32)
    assert accuracy_pct(logits, np.array([1, 0, 0, 0])) == 75.0
