"""Kill searches with SIGKILL at random moments, resume them, and look at what was paid for.

    python benchmarks/search_kills.py --kills 60

A world of 288 networks in two tables is searched offline (equal answers) and by a model that
talks nonsense with other words every time (changing answers). Every search is killed, then
resumed until it ends. Nothing may be trained twice, nothing acknowledged may be lost, and an
offline search must end as if it had never been killed. One kill in six hits the real command
line, imports included.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from llm_nas.domain import SearchReport, SearchRequest
from llm_nas.graph.record.ledger import Ledger
from llm_nas.graph.record.trace import read_trace
from llm_nas.graph.run import Inputs
from llm_nas.graph.search import resume, search
from tests.tiny import write_world

QUIET = Inputs(picture=False, keep=False)
MODELS = ("offline", "control:nonsense")


def request_of(world: dict[str, str], out: Path, model: str, seed: int) -> SearchRequest:
    """A short search in the small world."""
    fields = {"trainings": 24, "opening": 8, "batch": 4, "seed": seed, "model": model}
    return SearchRequest.model_validate({**world, **fields, "out": out})


def killed(request: SearchRequest, after_s: float) -> None:
    """Start the search in a child made by fork and kill it after some seconds."""
    child = os.fork()
    if child == 0:
        os.setsid()
        try:
            search(request, QUIET)
        finally:
            os._exit(0)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def killed_shell(request: SearchRequest, after_s: float) -> None:
    """The same through the command line."""
    named = ["space", "task", "device", "trainings", "opening", "batch", "seed", "model", "out"]
    options = [f"--{name}={getattr(request, name)}" for name in named]
    child = subprocess.Popen(
        [sys.executable, "-m", "llm_nas", "search", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(after_s)
    child.kill()
    child.wait()


def acknowledged(folder: Path) -> dict[str, float]:
    """Architecture and value of every training that was committed before the kill."""
    if not (folder / "checkpoint.sqlite").exists():
        return {}
    ledger = Ledger(folder / "checkpoint.sqlite", [f"Q{i}" for i in range(6)])
    rows = {m.arch: m.value for m in ledger.measured()}
    ledger.close()
    return rows


def problem(folder: Path, before: dict[str, float], report: SearchReport) -> str:
    """What is wrong with a resumed run; empty when nothing is."""
    told = [e.data["arch"] for e in read_trace(folder) if e.event == "measurement"]
    after = acknowledged(folder)
    if Counter(told).most_common(1)[0][1] > 1 or len(told) != len(after):
        return f"{len(told)} measurements told of {len(after)} trainings"
    if report.trainings != 24:
        return f"{report.trainings:g} trainings of 24"
    lost = [arch for arch, value in before.items() if after.get(arch) != value]
    return f"{len(lost)} acknowledged trainings lost" if lost else ""


def main() -> int:
    """Print one line a kill and a verdict; 1 when anything was lost, doubled or differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    bad = early = 0
    with tempfile.TemporaryDirectory() as place:
        world = write_world(Path(place))
        whole = {s: search(request_of(world, Path(place) / f"w{s}", "offline", s), QUIET)
                 for s in range(3)}  # fmt: skip
        span_s = max(report.seconds.total for report in whole.values())
        for number in range(asked.kills):
            model, seed = MODELS[number % 2], number % 3
            out = Path(place) / f"run{number}"
            request = request_of(world, out, model, seed)
            shell = number % 6 == 5
            after_s = rng.uniform(0.0, (3.0 if shell else 0.3) + span_s)
            (killed_shell if shell else killed)(request, after_s)
            if not (out / "request.json").exists():
                early += 1
                print(f"{number}: {after_s:.2f} s, before the request was written")
                continue
            before = acknowledged(out)
            report = resume(out, QUIET)
            wrong = problem(out, before, report)
            if model == "offline" and not wrong and report.front != whole[seed].front:
                wrong = "another front than without the kill"
            bad += bool(wrong)
            print(f"{number}: {after_s:.2f} s, {model}, {len(before)} paid: {wrong or 'whole'}")
    print(f"{asked.kills} kills, {early} before the request was written, {bad} wrong")
    print("PASS" if not bad else "FAIL")
    return int(bool(bad))


if __name__ == "__main__":
    raise SystemExit(main())
