"""Does a search that starts from an earlier one's store need fewer trainings?

The second device shares the task: trainings of the first are reused, latencies are not.
"""

import tempfile
from pathlib import Path

from llm_nas import SearchRequest, search

with tempfile.TemporaryDirectory() as folder:
    home = Path(folder)

    def searched(device: str, name: str, store: Path) -> None:
        """Search, and print how far it came."""
        report = search(
            SearchRequest(space="nb201", device=device, trainings=18, out=home / name, store=store)
        )
        at = ", ".join(f"{count}: {value:.3f}" for count, value in report.hv_at.items())
        print(f"{name:6} {device:8} reused {report.reused_trainings:g}; hv at {at}")

    searched("edgegpu", "first", home / "shared")
    searched("raspi4", "warm", home / "shared")
    searched("raspi4", "cold", home / "empty")
