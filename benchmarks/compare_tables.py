"""Print the tables of a comparison or ablation in Markdown.

    python benchmarks/compare_tables.py DIR

Takes the seeds that every method finished in every context, so an unfinished comparison can be
read too.
"""

import sys
from pathlib import Path

from llm_nas.experiments.markdown import tables

if __name__ == "__main__":
    sys.stdout.write("\n".join(tables(Path(sys.argv[1]))) + "\n")
