"""A nested form: a tree of choices and a model that picks from it."""

from torch import nn

from llm_nas.domain import TaskShape
from llm_nas.tools.spaces import NestedSpace
from llm_nas.tools.spaces.nested import Pick

tree = {
    "depth": (1, 2, 3),
    "kind": ("plain", "bottleneck"),
    **{f"block{i}": {"kernel": (3, 5, 7), "inner": {"ratio": (0.25, 0.5)}} for i in range(3)},
}


def model(pick: Pick) -> list[tuple[int, float]]:
    blocks: list[tuple[int, float]] = []
    for i in range(pick("depth")):
        block = pick(f"block{i}")
        ratio = block("inner")("ratio") if pick("kind") == "bottleneck" else 1
        blocks.append((block("kernel"), ratio))
    return blocks


def build(blocks: list[tuple[int, float]], shape: TaskShape) -> nn.Module:
    layers: list[nn.Module] = []
    channels = shape.channels
    for kernel, ratio in blocks:
        layers += [nn.Conv2d(channels, int(32 * ratio), kernel, padding=kernel // 2), nn.ReLU()]
        channels = int(32 * ratio)
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, shape.classes)
    )


space = NestedSpace("tree", tree, model, build=build)
