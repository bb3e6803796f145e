"""I have trained and timed some networks. Which are worth keeping, and what matters?

Two CSV files and the choices are all that a search needs: it stays inside their common rows.
"""

import tempfile
from pathlib import Path

from llm_nas import SearchRequest, search

SPACE = """
from llm_nas import Choice, Space
space = Space("mine", [
    Choice("layers", (2, 4, 6, 8), ordered=True),
    Choice("width", (16, 32, 64, 128), ordered=True),
    Choice("activation", ("relu", "gelu")),
])
"""


def rows(folder: Path) -> tuple[Path, Path]:
    """Made-up results of 32 networks: deeper and wider is better and slower."""
    trained, timed = ["arch,accuracy_pct"], ["arch,latency_ms"]
    for layers in (2, 4, 6, 8):
        for width in (16, 32, 64, 128):
            for activation, bonus in (("relu", 0.0), ("gelu", 0.4)):
                arch = f"layers={layers} width={width} activation={activation}"
                accuracy = 95 - 20 / layers - 60 / width + bonus
                milliseconds = layers * width / 40 + bonus
                trained.append(f"{arch},{accuracy:.3f}")
                timed.append(f"{arch},{milliseconds:.3f}")
    (folder / "accuracy.csv").write_text("\n".join(trained))
    (folder / "latency.csv").write_text("\n".join(timed))
    return folder / "accuracy.csv", folder / "latency.csv"


with tempfile.TemporaryDirectory() as name:
    home = Path(name)
    (home / "mine.py").write_text(SPACE)
    accuracy, latency = rows(home)
    report = search(
        SearchRequest(
            space=str(home / "mine.py"),
            task=str(accuracy),
            device=f"board={latency}",
            trainings=12,
            opening=6,
            batch=3,
            max_latency_ms=12.0,
            out=home / "run",
            store=home / "store",
        )
    )
    for point in report.front:
        print(f"{point.latency_ms:6.2f} ms  {point.value:6.2f} %  {point.arch}")
