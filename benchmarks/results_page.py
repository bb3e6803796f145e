"""Make the tables of docs/results.md anew from the directories named in their marks.

    python benchmarks/results_page.py [PAGE [ROOT]]

Directories are looked for in ROOT (the working directory). A table whose directory is missing
stays as it is and is named on stderr; the exit code is 1 then.
"""

import sys
from pathlib import Path

from llm_nas.experiments.markdown import rewrite

PAGE = Path(__file__).resolve().parents[1] / "docs" / "results.md"


def main(arguments: list[str]) -> int:
    """Rewrite the page in place."""
    page = Path(arguments[0]) if arguments else PAGE
    root = Path(arguments[1]) if len(arguments) > 1 else Path()
    text, left = rewrite(page.read_text(encoding="utf-8"), root)
    page.write_text(text, encoding="utf-8")
    sys.stderr.writelines(f"left as it was: {line}\n" for line in left)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
