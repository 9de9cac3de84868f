"""buildah and podman with a storage of their own, and a base image made from Debian's packages."""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

TOOLS = ("buildah", "podman", "runc", "debootstrap")  # packages, and the programs in them
# What this machine's installers are told, wherever it has to be told: the image is built with the
# same, and nothing of it is part of the Dockerfile.
VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "UV_INDEX_URL")
FILES = ("/etc/pip.conf", "/etc/uv/uv.toml")
# Containers run below the limits that a machine may impose on the one who starts them.
LIMITS = ("--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000")


def install_tools() -> None:
    """Install from Debian's packages what is missing; raise where that is impossible."""
    if os.geteuid() != 0:
        raise RuntimeError("building an image on a base made here needs root")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        subprocess.run(["apt-get", "update", "-q"], check=True)
        install = ["apt-get", "install", "-q", "--yes", "--no-install-recommends"]
        subprocess.run([*install, *missing], check=True)


class Machinery:
    """Calls of buildah and podman that share one storage, under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = (
            *("--root", str(folder / "storage"), "--runroot", str(folder / "state")),
            *("--storage-driver", "overlay"),
        )

    def remove(self) -> None:
        """Remove the storage with all that is in it, also what a killed call left mounted there."""
        mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for point in reversed(mounted):
            if Path(point).is_relative_to(self.folder):
                subprocess.run(["umount", "--lazy", point], check=True)
        shutil.rmtree(self.folder)

    def buildah(self, command: str, *arguments: str) -> str:
        return _output(["buildah", *self.storage, command, *arguments])

    def podman(self, command: str, *arguments: str) -> str:
        return _output(["podman", *self.storage, "--runtime", "runc", command, *arguments])

    def make_base(self, tag: str, release: str = "bookworm") -> None:
        """Make a base image of a Debian release, with the certificates of this machine's user."""
        root = self.folder / "base"
        bootstrap = ["debootstrap", "--variant=minbase", "--include=ca-certificates", release]
        _output([*bootstrap, str(root)])
        container = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", container, str(root), "/")
        for name in filter(os.environ.get, VARIABLES):
            self.buildah("config", "--env", f"{name}={os.environ[name]}", container)
        self.buildah("commit", "--quiet", "--rm", container, tag)
        shutil.rmtree(root)

    def build(self, context: Path, base: str, tag: str) -> float:
        """Build the Dockerfile in `context` and return the seconds that it took."""
        named = [os.environ[name] for name in ("SSL_CERT_FILE", "PIP_CERT") if name in os.environ]
        mounts = [name for name in dict.fromkeys((*named, *FILES)) if Path(name).is_file()]
        start = time.monotonic()
        self.buildah(
            *("bud", "--isolation", "chroot", "--layers", "--pull-never"),
            *(argument for name in mounts for argument in ("--volume", f"{name}:{name}:ro")),
            *("--build-arg", f"BASE={base}", "--tag", tag, str(context)),
        )
        return time.monotonic() - start

    def run(self, tag: str, command: Sequence[str], *options: str) -> str:
        """Return what `command` printed in a new container of the image, which has no network."""
        return self.podman("run", "--rm", "--network", "none", *LIMITS, *options, tag, *command)

    def layers(self, tag: str) -> list[str]:
        """Return the digests of the image's layers, lowest first."""
        return self.podman(
            "image", "inspect", "--format", "{{range .RootFS.Layers}}{{.}} {{end}}", tag
        ).split()

    def size(self, tag: str) -> int:
        """Return the image's size in bytes, uncompressed."""
        return int(self.podman("image", "inspect", "--format", "{{.Size}}", tag))


def _output(command: list[str]) -> str:
    called = subprocess.run(command, capture_output=True, text=True)
    if called.returncode:
        last = "\n".join((called.stdout + called.stderr).splitlines()[-40:])
        raise RuntimeError(f"{' '.join(command)}\nended with {called.returncode}:\n{last}")
    return called.stdout.strip()
