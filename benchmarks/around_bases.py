"""Two networks that people bring, and their training: bases of searches around them.

    python benchmarks/around_bases.py make_resnet --task photos.npz --epochs 60 --out base
    llm-nas search --space 'around:benchmarks/around_bases.py:make_resnet?weights=WEIGHTS' ...

The last line it prints are the weights.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

CLASSES = 10


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a short cut."""

    def __init__(self, inn: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inn, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.short: nn.Module = nn.Identity()
        if stride > 1 or inn != out:
            self.short = nn.Sequential(
                nn.Conv2d(inn, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """`(n, inn, h, w)` to `(n, out, h / stride, w / stride)`."""
        y: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return torch.relu(y + self.short(x))


def make_resnet() -> nn.Module:
    """ResNet-like, its stem of stride 2: six blocks of 32, 64 and 128 channels."""
    blocks = [Block(32, 32, 1), Block(32, 32, 1)]
    blocks += [Block(32, 64, 2), Block(64, 64, 1), Block(64, 128, 2), Block(128, 128, 1)]
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, CLASSES),
    )


class Inverted(nn.Module):
    """1 x 1 up, 3 x 3 depthwise, 1 x 1 down; a short cut where shapes are equal."""

    def __init__(self, inn: int, out: int, stride: int) -> None:
        super().__init__()
        wide = 4 * inn
        self.adds = stride == 1 and inn == out
        self.body = nn.Sequential(
            nn.Conv2d(inn, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(),
            nn.Conv2d(wide, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(n, inn, h, w)` to `(n, out, h / stride, w / stride)`."""
        y: Tensor = self.body(x)
        return x + y if self.adds else y


def make_mobilenet() -> nn.Module:
    """MobileNet-like, its stem of stride 2: eight inverted blocks of 24 to 96 channels."""
    plan = [(24, 24, 1), (24, 24, 1), (24, 48, 2), (48, 48, 1), (48, 48, 1), (48, 96, 2)]
    plan += [(96, 96, 1), (96, 96, 1)]
    return nn.Sequential(
        nn.Conv2d(3, 24, 3, 2, 1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU6(),
        *(Inverted(*widths) for widths in plan),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(96, CLASSES),
    )


def main() -> None:
    """Train one of them by the project's recipe; goes on where it was cut off."""
    from llm_nas.tools.spaces import open_space
    from llm_nas.tools.tasks.real import open_real_task, shape_of_real

    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=("make_resnet", "make_mobilenet"))
    parser.add_argument("--task", required=True)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    space = open_space(f"around:{__file__}:{given.name}", shape_of_real(given.task))
    task = open_real_task(
        given.task,
        space,
        epochs=given.epochs,
        folder=given.out,
        isolated=False,
        tell=lambda _, p: print(f"epoch {p.epoch}, loss {p.loss:.3f}", flush=True),
    )
    base = space.arch({choice.name: choice.values[-1] for choice in space.choices})
    print(task.train(base, 1.0, given.seed))
    print(task.weights.path(base, given.epochs, given.seed))


if __name__ == "__main__":
    main()
