"""The import slots in C, without Python: on this machine, and in an emulator on aarch64."""

from __future__ import annotations

import itertools
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from conftest import LIMIT

TESTS = Path(__file__).parent
NATIVE = TESTS.parent / "python/hwsim/proof/native"
HERE = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")
# What compiles for it, and what runs it.
MACHINES: dict[str, tuple[str, Sequence[str]]] = {
    "here": ("cc", ()),
    "aarch64": ("aarch64-linux-gnu-gcc", ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu")),
}
# When a slot gets its address, and whether its page is read-only then.
LINKED = {"lazy": "-z,lazy", "relro": "-z,relro,-z,now"}


@pytest.mark.skipif(not HERE, reason="slots are known on Linux alone, x86-64 and aarch64")
@pytest.mark.parametrize("machine", MACHINES)
def test_slots_are_redirected_and_restored(machine: str, tmp_path: Path) -> None:
    compiler, emulator = MACHINES[machine]
    for tool in (compiler, *emulator[:1]):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not here")

    def make(target: str, *arguments: str | Path) -> Path:
        options = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-D_GNU_SOURCE"]
        command = [compiler, *options, *arguments, "-o", tmp_path / target]
        subprocess.run(command, check=True, timeout=LIMIT)
        return tmp_path / target

    source = TESTS / "slots/extension.c"
    objects = [
        make(f"{name}.so", "-shared", "-fPIC", source, f"-Wl,{flag}")
        for name, flag in LINKED.items()
    ]
    sources = [TESTS / "slots/host.c", NATIVE / "slots.c"]
    host = make("host", f"-I{NATIVE}", *sources, "-rdynamic", "-pthread", "-ldl")
    for one, other in itertools.permutations(objects, 2):
        done = subprocess.run(
            [*emulator, host, one, other],
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), (one.name, other.name)
