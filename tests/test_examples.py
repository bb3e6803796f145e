"""Every numbered example runs as a user would run it, and answers one question."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))
SLOW = {"11_train_and_export": ["--small"], "13_around_a_network": []}
"""Examples that train networks, and how to make them short."""


def _marked(path: Path) -> object:
    marks = [pytest.mark.slow] if path.stem in SLOW else []
    return pytest.param(path, marks=marks, id=path.stem)


@pytest.mark.parametrize("path", [_marked(path) for path in EXAMPLES])
def test_example(path: Path, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "LLM_NAS_DATA"}
    command = [sys.executable, str(path), *SLOW.get(path.stem, [])]
    if path.stem == "06_designer":
        command += ["--out", str(tmp_path / "run"), "--store", str(tmp_path / "store")]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_each_example_asks_one_question_in_its_first_line() -> None:
    assert len(EXAMPLES) >= 10
    for path in EXAMPLES:
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith('"""'), path
        assert "?" in path.read_text(encoding="utf-8").split('"""')[1] or "to" in first, path
