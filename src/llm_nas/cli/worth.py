"""`llm-nas worth`: what a language model is worth, in trainings and money."""

from typing import Annotated

import typer

from llm_nas.cli import options


def worth(
    model: Annotated[str, typer.Option(help="PROVIDER:NAME, or manual:DIR.")],
    context: Annotated[
        str, typer.Option(help="SPACE/TASK/DEVICE,...; truth must be known there.")
    ] = "anb/imagenet/a100",
    seeds: options.Seeds = 3,
    first_seed: options.FirstSeed = 0,
    trainings: options.Trainings = 24,
    ways: Annotated[
        str, typer.Option(help="Of offline, opening, loop, blind, sample.")
    ] = "offline,opening,loop,blind,sample",
    base_url: Annotated[str | None, typer.Option(help="An OpenAI-compatible server.")] = None,
    out: options.Out = None,
    data_dir: options.DataDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Run the same budget with a model in every place, and without it."""
    from llm_nas.cli.output import console, print_json, say
    from llm_nas.experiments.setting import parse_contexts
    from llm_nas.experiments.worth import WorthPlan, picture, summarise, table
    from llm_nas.experiments.worth import worth as measure

    named = options.split_names(ways, "--ways")
    plan = WorthPlan.model_validate(
        {
            "model": model,
            "contexts": parse_contexts(context),
            "seeds": tuple(range(first_seed, first_seed + seeds)),
            "ways": ("offline", *[w for w in named if w != "offline"]),
            "trainings": trainings,
            "base_url": base_url,
            "data_dir": data_dir,
        }
    )
    rows = measure(plan, out, progress=lambda n, total: say(f"{n} of {total} runs", console))
    found = summarise(plan, rows)
    lines = table(plan, found)
    if out is not None:
        (out / "worth.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (out / "worth.png").write_bytes(picture(found))
    if as_json:
        print_json(
            {
                "rows": [row.model_dump(mode="json") for row in rows],
                "summary": [way.model_dump(mode="json") for way in found],
            }
        )
        return
    for line in lines:
        say(line)
