"""What `llm-nas data` builds the embedded pack with."""

from llm_nas.tools.data.nb201.build_pack import Recipe, build_pack
from llm_nas.tools.data.nb201.own import OWN_PATH, embed
from llm_nas.tools.data.nb201.pack import PACK_PATH
from llm_nas.tools.data.nb201.tables import PublishedTables, missing_files

__all__ = [
    "OWN_PATH",
    "PACK_PATH",
    "PublishedTables",
    "Recipe",
    "build_pack",
    "embed",
    "missing_files",
]
