"""Writes docs/scoreboard.md: what ``hwsim check`` says of released packages that need no hardware.

``make scoreboard``. The packages come from PyPI into an environment that is thrown away, or into
the one that ``--environment`` names. A package that cannot be installed here is listed as such.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/scoreboard.md"
LIMIT = 60  # seconds after which a call is given up
PATIENCE = 900  # seconds after which a whole check is


class Row(NamedTuple):
    """A call to be judged.

    Attributes:
        package: Its name on PyPI; empty: the standard library.
        call: As ``hwsim check`` takes it.
        arguments: Python expressions.
        setup: Code that runs first.
        oracles: Who judges it.
    """

    package: str
    call: str
    arguments: tuple[str, ...] = ()
    setup: str = ""
    oracles: str = "gil"

    @property
    def text(self) -> str:
        """The call as it is written in a program."""
        if self.call.startswith("lambda: "):
            return self.call.removeprefix("lambda: ")
        return f"{self.call.replace(':', '.')}({', '.join(self.arguments)})"


LONG = "gil,interrupt"
CTYPES = "import ctypes; usleep = ctypes.{}(None).usleep"
SQL = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000000) "
    "SELECT count(*) FROM n"
)
CONNECTION = "import sqlite3; connection = sqlite3.connect(':memory:')"
NUMBERS = "import random; data = [random.random() for _ in range(1_000_000)]"
NUMPY = "import numpy; a = numpy.random.default_rng(1).random(({0}, {0}))"
GENICAM = """
import pathlib
import genicam
from genicam import gentl
producer = gentl.GenTLProducer.create_producer()
producer.open(str(next(pathlib.Path(genicam.__file__).parents[1].rglob("viky.cti"))))
system = producer.create_system()
system.open()
system.update_interface_info_list(1000)
interface = system.interface_info_list[0].create_interface()
interface.open()
interface.update_device_info_list(1000)
device = interface.device_info_list[0].create_device()
device.open(gentl.DEVICE_ACCESS_FLAGS_LIST.DEVICE_ACCESS_EXCLUSIVE)
stream = device.create_data_stream()
stream.open(device.data_stream_ids[0])
token = stream.register_event(gentl.EVENT_TYPE_LIST.EVENT_NEW_BUFFER)
event = gentl.EventManagerNewBuffer(token)
"""
PYLON = """
import os
os.environ["PYLON_CAMEMU"] = "1"
from pypylon import pylon
camera = pylon.InstantCamera(pylon.TlFactory.GetInstance().CreateFirstDevice())
camera.Open()
camera.Width.Value = camera.Height.Value = 4096
"""
GRABBED = PYLON + "result = camera.GrabOne(3000)\n"
WAITING = PYLON + (
    'camera.TriggerMode.Value = "On"\n'
    'camera.TriggerSource.Value = "Line1"\n'
    "camera.StartGrabbing()\n"
)
ROWS = (
    Row("", "time:sleep", ("0.5",), oracles=LONG),
    Row("", "select:select", ("[]", "[]", "[]", "0.5"), oracles=LONG),
    Row("", "usleep", ("500_000",), CTYPES.format("CDLL"), LONG),
    Row("", "usleep", ("500_000",), CTYPES.format("PyDLL"), LONG),
    Row("", "zlib:compress", ("data",), "data = bytes(range(256)) * 200_000", LONG),
    Row("", "hashlib:sha256", ("data",), "data = bytes(400_000_000)", LONG),
    Row("", "bz2:compress", ("data",), "import os; data = os.urandom(5_000_000)", LONG),
    Row("", "connection.execute", (repr(SQL),), CONNECTION, LONG),
    Row("", "sum", ("range(30_000_000)",), oracles=LONG),
    Row("", "sorted", ("data",), NUMBERS, LONG),
    Row("", "re:match", ("'(a+)+b'", "'a' * 25"), oracles=LONG),
    Row("", "json:loads", ("text",), "text = '[' + '1.5, ' * 3_000_000 + '1]'", LONG),
    Row("", "pickle:dumps", ("data",), "data = [str(n) for n in range(2_000_000)]", LONG),
    Row("", "pow", ("3", "1 << 19", "(1 << 30_000) - 1"), oracles="gil"),
    Row("numpy", "numpy:dot", ("a", "a"), NUMPY.format(2500), LONG),
    Row("numpy", "numpy:sort", ("a",), NUMPY.format(3000), LONG),
    Row("numpy", "numpy.linalg:svd", ("a",), NUMPY.format(700), LONG),
    Row("numpy", "numpy:array", ("data",), "data = [float(n) for n in range(10_000_000)]", LONG),
    Row("numpy", "numpy.random:rand", oracles="fork"),
    Row("genicam", "event.update_event_data", ("300",), GENICAM, LONG),
    Row("genicam", "event.update_event_data", ("2000",), GENICAM, LONG),
    Row("pyrealsense2", "pyrealsense2.pipeline().start", (), "import pyrealsense2", LONG),
    Row("pyrealsense2", "pyrealsense2.context().query_devices", (), "import pyrealsense2"),
    Row("depthai", "depthai:DeviceBootloader.getFirstAvailableDevice", oracles=LONG),
    Row("depthai", "depthai:Device.getAllAvailableDevices", oracles=LONG),
    Row("gphoto2", "gphoto2:Camera.autodetect"),
    Row("gphoto2", "lambda: gphoto2.Camera().init()", (), "import gphoto2", "gil,leak"),
    Row("pypylon", "camera.GrabOne", ("3000",), PYLON),
    Row("pypylon", "lambda: result.Array", (), GRABBED),
    Row(
        "pypylon", "camera.RetrieveResult", ("3000", "pylon.TimeoutHandling_Return"), WAITING, LONG
    ),
)
INTRODUCTION = """\
# Scoreboard

Written by `make scoreboard`, which installs released packages from PyPI into an environment of
their own and runs `hwsim check` on calls that need no hardware. Every figure comes from a fresh
process, so that it includes what a first call does once. {system}.

*held*: how long the call had the GIL; where that is all of the call, no other Python thread ran.
*SIGINT*: how long after the signal the call ended. A dash: not asked, or not measured.
"""


def main() -> None:
    """Makes the environment, judges each call, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, help="use this one, and keep it")
    parser.add_argument("--only", default="", help="packages, separated by commas")
    arguments = parser.parse_args()
    rows = [row for row in ROWS if not arguments.only or row.package in arguments.only.split(",")]
    with tempfile.TemporaryDirectory(prefix="hwsim-scoreboard-") as folder:
        environment = arguments.environment or Path(folder)
        missing = installed(environment, {row.package for row in rows if row.package})
        results = [(row, judged(environment, row)) for row in rows if row.package not in missing]
        versions = {row.package: version(environment, row.package) for row, _ in results}
    PAGE.write_text(page(results, versions, missing), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


def installed(environment: Path, packages: Iterable[str]) -> dict[str, str]:
    """Installs hwsim and the packages; returns those that cannot be, with pip's last word."""
    if not (environment / "bin/python").exists():
        venv.create(environment, with_pip=True)
    pip = [str(environment / "bin/python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, str(ROOT)], check=True)
    missing = {}
    for package in sorted(packages):
        done = subprocess.run([*pip, package], capture_output=True, text=True, check=False)
        if done.returncode:
            missing[package] = (done.stderr.strip() or "no reason given").splitlines()[-1]
    return missing


def judged(environment: Path, row: Row) -> dict[str, Any]:
    """What ``hwsim check`` says of a call, by oracle."""
    command = [str(environment / "bin/hwsim"), "check", "--json", "--only", row.oracles]
    command += ["--limit", str(LIMIT), "--setup", row.setup, "--", row.call, *row.arguments]
    print(row.package or "CPython", row.text, flush=True)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
            cwd=tempfile.gettempdir(),  # not the repository: its folder hwsim is no package
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        verdicts: dict[str, Any] = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{row.text}: {error.stderr}")
    except subprocess.TimeoutExpired:
        return {oracle: {"verdict": "no answer"} for oracle in row.oracles.split(",")}
    return verdicts


def version(environment: Path, package: str) -> str:
    """The version of an installed package; of the standard library Python's."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    if not package:
        code = "import platform; print(platform.python_version())"
    done = subprocess.run(
        [str(environment / "bin/python"), "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def page(
    results: Iterable[tuple[Row, Mapping[str, Any]]],
    versions: Mapping[str, str],
    missing: Mapping[str, str],
) -> str:
    """The page's text."""
    calls, others = [], []
    for row, verdicts in results:
        gil, signal = verdicts.get("gil"), verdicts.get("interrupt", {})
        name = f"| {row.package or 'CPython'} | {versions[row.package]} | {code(row)} "
        if gil:
            figures = [
                gil["verdict"],
                ms(gil.get("wall_ms")),
                ms(gil.get("held_ms")),
                signal.get("verdict", "-"),
                ms(signal.get("interrupt_ms")),
            ]
            calls.append(name + "".join(f"| {figure} " for figure in figures) + "|")
        for oracle, found in verdicts.items():
            if oracle not in ("gil", "interrupt"):
                others.append(f"{name}| {oracle} | {found['verdict']} | {measured(found)} |")
    cores = os.cpu_count()
    system = f"CPython {versions.get('', platform.python_version())}, {platform.system()} "
    system += f"{platform.machine()}, {cores} cores; absolute times depend on the machine"
    parts = [
        INTRODUCTION.format(system=system),
        table("package", "version", "call", "GIL", "call, ms", "held, ms", "Ctrl-C", "SIGINT, ms"),
        *calls,
    ]
    if others:
        parts += ["", "## Other oracles", ""]
        parts += [table("package", "version", "call", "oracle", "verdict", "measured"), *others]
    parts += ["", "## Not run here", ""] if missing else []
    parts += [f"- {package}: `{reason}`" for package, reason in missing.items()]
    return "\n".join(parts) + "\n"


def table(*titles: str) -> str:
    """The head of a table."""
    return f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}"


def code(row: Row) -> str:
    """The call, with what must be known of its setup."""
    text = row.text if len(row.text) < 70 else row.text[:67] + "..."
    notes = [f" of ctypes.{name}" for name in ("CDLL", "PyDLL") if f".{name}(" in row.setup]
    return f"`{text}`{''.join(notes)}"


def ms(value: float | None) -> str:
    """A time in milliseconds, without digits that mean nothing."""
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def measured(found: Mapping[str, Any]) -> str:
    """The figures of a finding, in one cell."""
    figures = {name: value for name, value in found.items() if name not in ("verdict", "advice")}
    return ", ".join(f"{name}: {text(value)}" for name, value in figures.items())


def text(value: Any) -> str:
    """A figure that may itself have parts."""
    if isinstance(value, dict):
        return " ".join(f"{name} {text(part)}" for name, part in value.items())
    return str(value)


if __name__ == "__main__":
    main()
