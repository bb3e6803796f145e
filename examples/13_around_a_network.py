"""What is left of my own network when my device wants it smaller?

A small 1-D network for time series is trained, then its relatives are searched: fewer channels,
fewer blocks. They start from its weights, so that one epoch each is enough to tell them apart.
"""

import csv
import math
import random
import tempfile
from pathlib import Path

from torch import Tensor, nn

from llm_nas import SearchRequest, search

CLASSES = ("sine", "square", "saw")
LENGTH = 48


class Block(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(width, width, 5, padding=2, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width, 5, padding=2, bias=False),
            nn.BatchNorm1d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(n, width, length)` to the same."""
        y: Tensor = x + self.body(x)
        return y.relu()


def make_model() -> nn.Module:
    """From `(n, 1, length)` to three classes: written without a thought of this library."""
    return nn.Sequential(
        nn.Conv1d(1, 16, 7, stride=2, padding=3),
        nn.ReLU(),
        Block(16),
        Block(16),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(16, len(CLASSES)),
    )


def write_series(path: Path, count: int = 360) -> None:
    """One row a series, its label first."""
    draw = random.Random(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        for number in range(count):
            name = CLASSES[number % len(CLASSES)]
            speed, start = draw.uniform(0.1, 0.25), draw.random()
            turns = [(start + speed * t / 2) % 1 for t in range(LENGTH)]
            wave = [_wave(name, turn) + draw.gauss(0, 0.6) for turn in turns]
            rows.writerow([name, *(f"{value:.4f}" for value in wave)])


def _wave(name: str, turn: float) -> float:
    if name == "sine":
        return math.sin(2 * math.pi * turn)
    return (1.0 if turn < 0.5 else -1.0) if name == "square" else 2 * turn - 1


def main() -> None:
    """Train the network, then search around it."""
    from llm_nas.tools.spaces import open_space
    from llm_nas.tools.tasks import open_task, shape_of

    folder = Path(tempfile.mkdtemp())
    write_series(folder / "waves.csv")
    task = f"series:{folder / 'waves.csv'}"
    own = f"around:{__file__}:make_model"
    space = open_space(own, shape_of(task))
    trained = open_task(task, space, epochs=6, folder=folder)
    base = space.arch({choice.name: choice.values[-1] for choice in space.choices})
    print(trained.train(base, 1.0, 0))
    weights = next((folder / "weights").glob("*.safetensors"))
    request = SearchRequest(
        space=f"{own}?weights={weights}",
        task=task,
        device="host",
        trainings=6,
        opening=4,
        batch=2,
        epochs=1,
        baselines=0,
        out=folder / "run",
    )
    for point in search(request).front:
        print(f"{point.accuracy_pct:5.1f} %  {point.latency_ms:.4f} ms  {point.arch}")


if __name__ == "__main__":
    main()
