"""`llm-nas doctor`: what this installation has, what it lacks, and what to do about it."""

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from llm_nas.cli.output import print_json, say
from llm_nas.errors import LlmNasError

_LIBRARIES = (
    "torch numpy scipy scikit-learn langgraph langgraph-checkpoint-sqlite chromadb wordllama "
    "onnx onnxruntime optuna pymoo moocore pydantic typer"
)
_EXTRAS = {
    "ray": ("ray",),
    "team": ("langgraph.checkpoint.postgres",),
    "studio": ("langgraph_api",),
    "mcp": ("mcp",),
    "providers": ("langchain",),
    "watch": ("starlette",),
}
_KEYS = ("OPENAI_API_KEY", "LLM_NAS_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY")
_LEAST_FREE_GB = 2.0

Check = tuple[str, str, str, str]
"""What was looked at; ok, note or fail; what was found; what to do where something is wrong."""


def doctor(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check versions, data, devices, model, store, threads and disk; asks no server."""
    checks = [
        *_settings(ctx),
        *(
            check
            for look in (_versions, _extras, _data, _devices, _model, _store, _threads, _disk)
            for check in look()
        ),
    ]
    failed = any(state == "fail" for _, state, _, _ in checks)
    if as_json:
        names = ("check", "state", "found", "remedy")
        print_json(
            {"ok": not failed, "checks": [dict(zip(names, c, strict=True)) for c in checks]}
        )
    for name, state, found, remedy in () if as_json else checks:
        say(f"{state:4}  {name}: {found}")
        if remedy:
            say(f"      {remedy}")
    raise typer.Exit(1 if failed else 0)


def _settings(ctx: typer.Context) -> Iterator[Check]:
    from llm_nas.cli.config import options_of
    from llm_nas.config import read_settings, settings_file

    try:
        settings = read_settings(options_of(ctx.find_root().command))
    except LlmNasError as error:
        yield "settings", "fail", str(error), "correct the file; llm-nas config show lists names"
        return
    found = f"{len(settings)} set; file: {settings_file() or 'none'}"
    yield "settings", "ok", found, ""


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _versions() -> Iterator[Check]:
    from llm_nas import __version__

    yield "llm-nas", "ok", f"{__version__}, Python {sys.version.split()[0]}", ""
    found = {name: _version(name) for name in _LIBRARIES.split()}
    found["xgboost"] = _version("xgboost-cpu") or _version("xgboost")
    told = ", ".join(f"{name} {known}" for name, known in found.items() if known)
    yield "libraries", "ok", told, ""
    if missing := [name for name, known in found.items() if known is None]:
        remedy = f"pip install {' '.join(missing)}"
        yield "libraries", "fail", f"not installed: {', '.join(missing)}", remedy


def _extras() -> Iterator[Check]:
    there = [name for name, modules in _EXTRAS.items() if all(_importable(m) for m in modules)]
    absent = [name for name in _EXTRAS if name not in there]
    hint = f'pip install "llm-nas[{absent[0]}]" adds one' if absent else ""
    yield "extras", "ok", f"{', '.join(there) or 'none'}; not installed: {', '.join(absent)}", hint


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _data() -> Iterator[Check]:
    from llm_nas.tools.data.locate import named_directory, user_cache
    from llm_nas.tools.data.packs import missing_files, shipped_models

    shipped = shipped_models()
    if lost := [path.name for path in shipped if not path.is_file()]:
        remedy = "install llm-nas again: files of the package are gone"
        yield "shipped data", "fail", f"missing: {', '.join(lost)}", remedy
    else:
        yield "shipped data", "ok", f"{len(shipped)} models of published tables", ""
    named = named_directory()
    folder, by = named or (user_cache(), "user cache")
    absent = missing_files(folder)
    if not absent:
        yield "published tables", "ok", f"{folder} ({by})", ""
    elif named is not None:
        remedy = f"unset {by}, or name a folder that llm-nas data fetch --into has filled"
        yield "published tables", "fail", f"{folder} lacks {', '.join(absent)}", remedy
    else:
        found = "none; searches of tabulated spaces use what is shipped"
        yield "published tables", "note", found, "llm-nas data fetch downloads them"


def _devices() -> Iterator[Check]:
    from llm_nas.threads import usable_cores

    runtime = _version("onnxruntime")
    if runtime is None:
        yield "device host", "fail", "no ONNX Runtime", "pip install onnxruntime"
        return
    found = f"{usable_cores()} cores, ONNX Runtime {runtime}"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > usable_cores():
        remedy = "timings will be noisy: wait, or time on another machine"
        yield "device host", "note", f"{found}; load {load:.1f}", remedy
    else:
        yield "device host", "ok", found, ""


def _model() -> Iterator[Check]:
    keys = [name for name in _KEYS if os.environ.get(name)]
    if keys:
        yield "language model", "ok", f"{', '.join(keys)} set; not asked", ""
    else:
        remedy = "none is needed; --model openai:NAME or --base-url URL adds one"
        yield "language model", "note", "no key in the environment", remedy


def _store() -> Iterator[Check]:
    from llm_nas.knowledge.store import default_store_dir

    folder = default_store_dir()
    parent = next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
    if not os.access(parent, os.W_OK):
        yield "store", "fail", f"{folder} cannot be written", "give searches --store DIR"
        return
    yield "store", "ok", f"{folder}{'' if folder.exists() else ' (made when needed)'}", ""
    if not folder.exists():
        return
    from llm_nas.knowledge.store import HeuristicStore

    try:
        with HeuristicStore.open(folder, readonly=True) as store:
            store.list(limit=1)
    except LlmNasError as error:
        yield "store", "fail", str(error), f"move {folder} away; the next run makes a new one"


def _threads() -> Iterator[Check]:
    from llm_nas.threads import VARIABLES

    told = ", ".join(f"{name}={os.environ[name]}" for name in VARIABLES if os.environ.get(name))
    yield "threads", "ok", told or "one for linear algebra, all cores for trainings", ""


def _disk() -> Iterator[Check]:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    found = f"{free_gb:.1f} GB free here"
    if free_gb < _LEAST_FREE_GB:
        yield "disk", "note", found, "a real search keeps weights and networks: free 2 GB"
    else:
        yield "disk", "ok", found, ""
    if not os.access(Path.cwd(), os.W_OK):
        yield "disk", "note", f"{Path.cwd()} cannot be written", "runs go here unless --out"
