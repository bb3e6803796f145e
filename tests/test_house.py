"""The house keeps its rules: one door to truth, names where they belong, small modules."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("agents", "graph", "tools", "knowledge", "evaluation")
PRODUCT = (*FOLDERS, "src/llm_nas")

TENANTS = ("tools/spaces/nb201", "tools/data/", "evaluation/")
"""Where a benchmark's own names may stand."""
BENCHMARK_NAMES = re.compile(
    r"nor_conv|avg_pool_3x3|skip_connect|\b[1-3]>[2-4]\b|nb201|nas-?bench-?201|ImageNet16"
    r"|15[_,]?625",
    re.IGNORECASE,
)
WHOLE_SPACE_ARRAYS = re.compile(
    r"\(size,\)|\(\(size,|space\.size\b|\.index_of\(|\.arch_at\(|row_number|arch_index"
)
TRUTH_DOORS = {
    "evaluation/truth.py",
    "graph/ending/judged.py",
    "graph/ending/finish.py",
    "graph/ending/real.py",
    "src/llm_nas/cli/answers.py",
}
AFTER_A_SEARCH = ("evaluation/", "src/llm_nas/experiments", "knowledge/claims/audit")


def modules() -> Iterator[tuple[str, str]]:
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not any(parent.is_symlink() for parent in path.parents):
                yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [BENCHMARK_NAMES, WHOLE_SPACE_ARRAYS])
def test_no_benchmark_stands_outside_its_own_rooms(words: re.Pattern[str]) -> None:
    """A space of 1e40 must go wherever the table of 15,625 goes."""
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in modules()
        if not name.startswith(TENANTS)
        for number, line in enumerate(text.splitlines(), start=1)
        if words.search(line)
    ]
    assert not found, "\n".join(found)


def test_the_patterns_find_what_they_look_for() -> None:
    for text in ("op = 'nor_conv_3x3'", "edge '1>2'", "np.zeros(15_625)", "NasBench201()"):
        assert BENCHMARK_NAMES.search(text)
    for text in ("np.zeros((size, 3))", "of shape `(size,)`", "space.index_of(arch)"):
        assert WHOLE_SPACE_ARRAYS.search(text)


def test_only_evaluation_and_the_reports_open_truth() -> None:
    """Nodes, agents, tools and controls import no module through which test data are reached."""
    for name, text in modules():
        imported = {
            node.module or ""
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.ImportFrom)
        }
        opened = {m for m in imported if m.endswith(("evaluation.truth", "tasks.held_out"))}
        allowed = name in TRUTH_DOORS or name.startswith(
            ("evaluation/", "src/llm_nas/experiments")
        )
        assert allowed or not opened or name.startswith("knowledge/claims/audit"), name


def test_no_module_is_too_long() -> None:
    """The nouns and the verbs stand on one page each, however many they are."""
    for name, text in modules():
        whole = name in ("src/llm_nas/domain.py", "src/llm_nas/ports.py")
        assert len(text.splitlines()) <= (500 if whole else 400), name


def test_no_folder_is_a_crowd() -> None:
    """The shell has one module a command, and grows with them."""
    for folder in PRODUCT:
        below = [p for p in (ROOT / folder).rglob("*") if p.is_dir() and not p.is_symlink()]
        for path in below:
            assert path.name == "cli" or len(list(path.glob("*.py"))) <= 16, path


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("numpy", "torch", "xgboost", "chromadb", "langgraph", "pydantic")
    assert run(f"import sys, llm_nas\nprint([m for m in {heavy} if m in sys.modules])") == "[]"


def test_help_loads_no_heavy_library() -> None:
    heavy = (
        "numpy",
        "torch",
        "xgboost",
        "chromadb",
        "langgraph",
        "matplotlib",
        "langchain_openai",
    )
    assert (
        run(
            "import sys\nfrom llm_nas.cli import run\nrun(['search', '--help'])\n"
            f"print([m for m in {heavy} if m in sys.modules])"
        )
        == "[]"
    )


def test_nothing_is_imported_by_a_bare_name() -> None:
    names = [
        "llm_nas." + name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name, _ in modules()
        if name.startswith(FOLDERS)
    ]
    code = (
        f"import importlib, sys\nfor name in {names}:\n    importlib.import_module(name)\n"
        f"print([m for m in sys.modules if m.split('.')[0] in {FOLDERS}])"
    )
    assert run(code) == "[]"
