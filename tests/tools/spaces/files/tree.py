"""A nested form: a tree of choices and a model that picks from it."""

from llm_nas.tools.spaces import NestedSpace

tree = {
    "depth": (1, 2, 3),
    "kind": ("plain", "bottleneck"),
    **{f"block{i}": {"kernel": (3, 5, 7), "inner": {"ratio": (0.25, 0.5)}} for i in range(3)},
}


def model(pick):
    blocks = []
    for i in range(pick("depth")):
        block = pick(f"block{i}")
        ratio = block("inner")("ratio") if pick("kind") == "bottleneck" else 1
        blocks.append((block("kernel"), ratio))
    return blocks


def build(blocks, shape):
    from torch import nn

    layers, channels = [], shape.channels
    for kernel, ratio in blocks:
        layers += [nn.Conv2d(channels, int(32 * ratio), kernel, padding=kernel // 2), nn.ReLU()]
        channels = int(32 * ratio)
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, shape.classes)
    )


space = NestedSpace("tree", tree, model, build=build)
