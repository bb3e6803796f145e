"""What the documents say can be typed: commands, options and links exist."""

import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from llm_nas import cli

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
TYPED = [p for p in PAGES if "notebook" not in p.parts and p.name != "command-line.md"]
COMMAND = re.compile(r"(?:^|`)(?:LLM_NAS_\w+=\S+ )?(llm-nas [^`\n]*)", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


def commands(page: Path) -> list[str]:
    """Every command of a page, continued lines joined, remarks cut off."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    found = [
        match.strip() for line in text.splitlines() for match in COMMAND.findall(line.strip())
    ]
    return [re.split(r"\s{2,}#|\s#\s", command)[0] for command in found]


def refused(command: str) -> str:
    """What is wrong with a command's words; empty when the shell knows them all."""
    words = shlex.split(command.replace("...", ""))[1:]
    level: Any = typer.main.get_command(cli.app())
    while words and hasattr(level, "commands"):
        if words[0].startswith("-"):
            break
        if words[0] not in level.commands:
            if all(word in level.commands for word in words[0].split("|")):
                return ""
            # `proxies ARCH` stands for `proxies score ARCH`.
            return "" if "score" in level.commands else f"no command {words[0]!r}"
        level = level.commands[words.pop(0)]
    known = {option for parameter in level.params for option in parameter.opts}
    known |= {option for parameter in level.params for option in parameter.secondary_opts}
    options = [word for word in words if word.startswith("--")]
    unknown = [o for o in options if o.partition("=")[0] not in known | {"--help"}]
    return f"no option {unknown[0]}" if unknown else ""


@pytest.mark.parametrize("page", TYPED, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    wrong = {command: why for command in commands(page) if (why := refused(command))}
    assert not wrong


def test_a_command_that_does_not_exist_is_found() -> None:
    assert refused("llm-nas serch") == "no command 'serch'"
    assert refused("llm-nas search --dataset cifar10") == "no option --dataset"
    assert not refused("llm-nas heuristics ask 'faster' --goal latency")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    broken = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert not broken


def test_the_readme_is_short_and_shows_a_picture() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert "docs/report.png" in text


def test_the_page_of_commands_is_the_shells() -> None:
    made = runpy.run_path(str(ROOT / "docs/reference/command_line.py"))
    shown = made["PAGE"].read_text(encoding="utf-8")
    assert shown == made["page"](), "run python docs/reference/command_line.py"


def test_documents_speak_of_the_project_alone() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"/work/|/tmp/team|pypi\.org|files\.pythonhosted", text), page
