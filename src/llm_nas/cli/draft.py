"""`llm-nas draft`: a search space written for a task, a device and limits."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llm_nas.cli import options

if TYPE_CHECKING:
    from llm_nas.experiments.draft import DraftReport


def draft(
    out: Annotated[Path, typer.Option(help="The file to write: NEW.toml.")],
    task: Annotated[str, typer.Option(help="As of search.")] = "digits",
    device: Annotated[str, typer.Option(help="As of search: one that measures.")] = "host",
    model: Annotated[
        str, typer.Option(help="PROVIDER:NAME, manual:DIR, or random: drawn, the control.")
    ] = "random",
    base_url: Annotated[str | None, typer.Option(help="An OpenAI-compatible server.")] = None,
    max_latency_ms: Annotated[float | None, typer.Option(help="hard limit")] = None,
    max_params_m: Annotated[float | None, typer.Option(help="hard limit, millions")] = None,
    max_macs_m: Annotated[float | None, typer.Option(help="hard limit, millions")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    record: Annotated[Path | None, typer.Option(help="keep requests and answers here")] = None,
    replay: Annotated[Path | None, typer.Option(help="answer from a record")] = None,
    max_usd: Annotated[float | None, typer.Option(help="cap on money for models")] = None,
    data_dir: options.DataDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Have a model write a space over the catalogue of blocks; check it before any training."""
    from llm_nas.agents.chat.options import ModelOptions
    from llm_nas.cli.output import console, print_json, say
    from llm_nas.domain import Limits
    from llm_nas.experiments.draft import DraftRequest, draft_space

    request = DraftRequest(
        task=task,
        device=device,
        model=model,
        limits=Limits(
            max_latency_ms=max_latency_ms, max_params_m=max_params_m, max_macs_m=max_macs_m
        ),
        seed=seed,
        data_dir=data_dir,
    )
    asked = ModelOptions(base_url=base_url, record=record, replay=replay, max_usd=max_usd)
    report = draft_space(request, out, options=asked, note=lambda line: say(line, console))
    print_json(report) if as_json else _show(report)


def _show(report: "DraftReport") -> None:
    from llm_nas.cli.output import say

    say(f"{report.space}: {report.networks:.3g} networks, by {report.model}")
    for problem in report.problems:
        say(f"sent back: {problem}")
    for m in report.members:
        state = m.failure or f"{m.latency_ms:.4g} ms" + (
            f", over {', '.join(m.breaks)}" if m.breaks else ""
        )
        say(f"  {m.macs_m:.3g} M multiply-adds, {m.params_m:.3g} M parameters, {state}")
    say(f"{report.within_limits} of {len(report.members)} keep the limits; nothing was trained")
    say(f"search it: llm-nas search --space {report.space} --task ... --device ...")
