"""What is shipped, and what `llm-nas data` builds it with."""

from pathlib import Path

from llm_nas.tools.data.nb201.build_pack import Recipe, build_pack
from llm_nas.tools.data.nb201.own import OWN_PATH, embed
from llm_nas.tools.data.nb201.pack import PACK_PATH
from llm_nas.tools.data.nb201.tables import PublishedTables, missing_files
from llm_nas.tools.data.truth.build import build_truth, rows_of
from llm_nas.tools.data.truth.model import TASK_OF, truth_path

__all__ = [
    "OWN_PATH",
    "PACK_PATH",
    "TASK_OF",
    "PublishedTables",
    "Recipe",
    "build_pack",
    "build_truth",
    "embed",
    "missing_files",
    "rows_of",
    "shipped_models",
]


def shipped_models() -> list[Path]:
    """Files of models that stand in for published tables."""
    return [PACK_PATH, *(truth_path(space) for space in TASK_OF)]
