"""Which of my networks is worth training? Thirteen zero-cost scores say something beforehand.

    python examples/07_score_own_network.py

Two small networks, one twice as wide. Real images would replace the synthetic batch:
`load_batch(Path("images.npz"), None, batch_size=64, seed=0)`.
"""

from torch import nn

from llm_nas.domain import TaskShape
from llm_nas.tools.proxies.batch import synthetic_batch
from llm_nas.tools.proxies.compute import score


def classifier(channels: int) -> nn.Module:
    """Two convolutions, global pooling and ten classes."""
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * channels, 10),
    )


def main() -> None:
    """Print the scores of both networks side by side."""
    batch = synthetic_batch(TaskShape(height=32, width=32, classes=10), batch_size=32, seed=0)
    narrow, wide = (score(classifier(channels), batch, seed=0) for channels in (8, 16))
    print(f"{'score':10} {'8 channels':>12} {'16 channels':>12}")
    for name, value in narrow.values.items():
        print(f"{name:10} {value:12.4f} {wide.values[name]:12.4f}")


if __name__ == "__main__":
    main()
