"""The package stays light, under one name, and blind to truth while it searches."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("agents", "graph", "tools", "knowledge", "evaluation")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = run(
        "import sys, llm_nas\n"
        "print([m for m in ('numpy', 'torch', 'xgboost', 'chromadb', 'langgraph', 'pydantic')"
        " if m in sys.modules])"
    )
    assert heavy.strip() == "[]"


def test_help_loads_no_heavy_library() -> None:
    heavy = run(
        "import sys\n"
        "from llm_nas.cli import run\n"
        "run(['--help'])\n"
        "print([m for m in ('torch', 'xgboost', 'chromadb', 'langgraph', 'matplotlib',"
        " 'langchain_openai') if m in sys.modules])"
    )
    assert heavy.strip().splitlines()[-1] == "[]"


def test_nothing_is_imported_by_a_bare_name() -> None:
    modules = [
        str(path.relative_to(ROOT)).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    ]
    names = run(
        "import importlib, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module('llm_nas.' + name)\n"
        f"print([m for m in sys.modules if m.split('.')[0] in {FOLDERS!r}])"
    )
    assert names.strip().splitlines()[-1] == "[]"


def test_only_evaluation_and_the_report_open_truth() -> None:
    opened = re.compile(r"\.truth\(|open_context\(.*latency|test_accuracy_pct\(\)")
    allowed = {"graph/report.py"}
    for folder in ("agents", "graph", "knowledge"):
        for path in (ROOT / folder).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            assert name in allowed or not opened.search(path.read_text()), name
    for name in ("advisor", "acquisition", "gaussian_process", "measure", "moves", "predictor"):
        assert ".truth(" not in (ROOT / "tools" / f"{name}.py").read_text()


def test_no_module_is_too_long() -> None:
    for folder in (*FOLDERS, "src/llm_nas/cli", "src/llm_nas/experiments"):
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 400, path
