"""Regenerate the frozen reference from the tables in use.

    python benchmarks/compare_reference.py [DATA_DIR]

Only needed when the protocol or the public tables change; `tests/evaluation/test_reference.py`
checks that the file in the repository is what this prints.
"""

import sys
from pathlib import Path

import llm_nas.evaluation.reference as reference
from llm_nas.tools.data import open_benchmark


def main(arguments: list[str]) -> None:
    """Write the reference file of the package from the tables in DATA_DIR or the default ones."""
    benchmark = open_benchmark(Path(arguments[0]) if arguments else None)
    if "surrogate" in benchmark.source:
        raise SystemExit("the reference needs the public tables, not the surrogate pack")
    path = Path(reference.__file__).resolve().parent / reference.REFERENCE_FILE
    reference.save_reference(reference.freeze(benchmark), path)
    sys.stdout.write(f"wrote {path}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
