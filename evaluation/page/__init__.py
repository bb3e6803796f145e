"""The report page: what it shows of a run (`data`) and the one file it becomes (`render`)."""

from llm_nas.evaluation.page.data import PageRun, page_run
from llm_nas.evaluation.page.render import render_page

__all__ = ["PageRun", "page_run", "render_page"]
