"""A real Apptainer: only sid among Debian's releases has it, so it runs in a root made from sid."""

import subprocess
from pathlib import Path

SYSTEM = ("/dev", "/proc", "/sys")

CALL = """#!/bin/sh
# apptainer refuses a plain chroot, so the root is changed in a mount namespace of its own.
set -eu
# Without the folder of this very command: whatever is missing must not call it again.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec unshare --mount --propagation private sh -euc '
root=$0; here=$PWD
mount --bind "$root" "$root"
for name in {seen}; do mkdir -p "$root/$name"; mount --rbind "$name" "$root/$name"; done
mkdir -p "$root/old"; cd "$root"; pivot_root . old; umount -l old; cd "$here"
exec apptainer "$@"' {root} "$@"
"""


def make_apptainer(root: Path, shared: Path) -> Path:
    """Install Apptainer below `root` and return a folder with a command `apptainer` that calls it.

    Of this machine's files the command sees those below `shared`, at the same place.
    """
    subprocess.run(
        ["debootstrap", "--variant=minbase", "--include=apptainer", "sid", str(root)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    for name in ("hosts", "resolv.conf"):
        (root / "etc" / name).write_bytes(Path("/etc", name).read_bytes())
    (root / "etc" / "localtime").touch()
    # As root it asks for every capability there is; a machine that is itself confined has not all.
    settings = root / "etc" / "apptainer" / "apptainer.conf"
    full, none = (f"root default capabilities = {which}" for which in ("full", "no"))
    assert full in settings.read_text()
    settings.write_text(settings.read_text().replace(full, none))
    commands = shared / "commands"
    commands.mkdir()
    call = commands / "apptainer"
    call.write_text(CALL.format(seen=" ".join((*SYSTEM, str(shared))), root=root))
    call.chmod(0o755)
    return commands
