"""The public files the tables can be rebuilt from, each pinned by commit and SHA-256."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

BASE_URL = "https://raw.githubusercontent.com"


@dataclass(frozen=True, slots=True)
class UpstreamFile:
    """One file in a public repository at a fixed commit."""

    repository: str
    commit: str
    path: str
    sha256: str
    size_bytes: int

    @property
    def name(self) -> str:
        """File name without folders; unique among `UPSTREAM`."""
        return self.path.rsplit("/", 1)[-1]

    def urls(self, base_url: str = BASE_URL) -> tuple[str, str]:
        """Where the file may be below `base_url`, in the order to try.

        First as raw.githubusercontent.com lays it out (`owner/name/commit/path`), then as a
        plain mirror does (`name/file`).
        """
        base, repository = base_url.rstrip("/"), self.repository.split("/")[-1]
        return (
            f"{base}/{self.repository}/{self.commit}/{self.path}",
            f"{base}/{repository}/{self.name}",
        )


_PINNED = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
UPSTREAM = tuple(UpstreamFile(*fields) for fields in _PINNED["files"])

NOT_IN_PUBLIC_FILES = (
    "validation accuracies (the embedded pack's, fitted on validation accuracies alone, stand in)",
    "zen of non-canonical cells (left missing)",
    "proxies of cifar100 other than flops and params (left missing)",
)
"""What the pinned files above do not hold, for `llm-nas data status`."""
