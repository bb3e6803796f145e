"""From nothing to an exported network: real trainings on small images, timed on this computer.

Takes some minutes. A folder with one folder of images per class in the place of `digits` makes
it a search on your own photographs.
"""

import sys
import tempfile
from pathlib import Path

from llm_nas import SearchRequest, finish, search

small = "--small" in sys.argv

with tempfile.TemporaryDirectory() as folder:
    home = Path(folder)
    report = search(
        SearchRequest(
            task="digits",
            device="host",
            trainings=2 if small else 12,
            opening=2 if small else 6,
            batch=2,
            epochs=1 if small else None,
            baselines=0 if small else None,
            out=home / "run",
            store=home / "store",
        )
    )
    for point in report.front:
        print(f"{point.latency_ms:.3f} ms, {point.value:.1f} %, {point.onnx}: {point.arch}")
    made = finish(home / "run", epochs=1 if small else None)
    print((made.folder / "card.md").read_text())
