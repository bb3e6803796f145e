"""Public benchmark files: downloads and their conversion into the tables the project reads."""

from pathlib import Path


def convert_all(source: Path, target: Path) -> list[Path]:
    """Write the tables of every benchmark whose public files `source` holds.

    Raises:
        DataError: A file is missing or damaged, or `target` cannot be written.
    """
    from llm_nas.tools.data.public import anb, nb201

    return [*nb201.convert(source, target), anb.convert(source, target)]
