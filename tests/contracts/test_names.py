"""One benchmark's names stay in its own folders: everything else works on any space."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("agents", "graph", "knowledge", "tools", "src/llm_nas")
OWN = ("tools/spaces/nb201/", "tools/data/", "evaluation/")
NAMES = re.compile(
    r"nor_conv|skip_connect|avg_pool_3x3|\b[1-3]>[2-4]\b|15[_,]?625|\(size,\)|arch_index"
)


def test_cells_rows_and_operations_are_named_at_home_only() -> None:
    found: list[str] = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.resolve().relative_to(ROOT))
            if not name.startswith(OWN):
                lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
                found += [f"{name}:{n}: {line}" for n, line in lines if NAMES.search(line)]
    assert found == []
