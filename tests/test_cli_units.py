"""Arguments of the commands with units, ranges and home folders."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwsim.cli import main, quantity
from hwsim.firmware import build_image


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (quantity.hertz, "10kHz", 1e4),
        (quantity.hertz, "1 kHz", 1e3),
        (quantity.hertz, "2.5MHz", 2.5e6),
        (quantity.hertz, "1000", 1e3),
        (quantity.hertz, "1e3", 1e3),
        (quantity.seconds, "500ms", 0.5),
        (quantity.seconds, "20 µs", 2e-5),
        (quantity.seconds, "2min", 120),
        (quantity.seconds, "inf", float("inf")),
        (quantity.volts, "-5mV", -0.005),
    ],
)
def test_number_may_have_a_unit(read: Callable[[str], float], text: str, value: float) -> None:
    assert read(text) == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["", "kHz", "10 kilohertz", "1,5kHz", "nan", "10s", "10khz", "0x1"]
)
def test_what_is_no_quantity_is_refused_with_the_units(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"mHz, Hz, kHz.*such as 10kHz"):
        quantity.hertz(text)


def test_record_takes_units_ranges_and_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    uri = "hwsim://units?clock=virtual&rate=1 kHz&latency=20 µs"
    arguments = ["--rate=10 kHz", "--seconds=20ms", "--channels=0-1,3", "--output=~/a.npy"]
    assert main(["record", uri, *arguments]) == 0
    assert np.load(tmp_path / "a.npy").shape == (200, 3)
    assert "3 channels" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["3-1", "0-", "a", "", "0-99999", "-1", "1.5"])
def test_bad_list_of_channels_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["record", "hwsim://units", "-o", "a.npy", f"--channels={text}"])
    assert "ranges from 0 to 63, such as 0-3,5" in capsys.readouterr().err


# ----------------------------------------------------------------------------------------- payload


def test_flash_builds_the_image_of_a_hex_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("bincopy")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.hex").write_text(
        ":0200000001 02FB\n:02000800050 6EB\n:00000001FF\n".replace(" ", "")
    )
    flash = ["flash", "hwsim://units?clock=virtual", "~/a.hex", "--build=2.0"]
    assert main(flash) == 1
    assert "lacks 6 of the bytes" in capsys.readouterr().err
    assert main([*flash, "--fill=0xFF"]) == 0
    output = capsys.readouterr().out
    assert "a.hex: Intel HEX, 10 bytes from 0x0, 6 of them filled with 0xff" in output
    assert "42 bytes" in output


def test_flash_converts_a_file_without_gaps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("bincopy")
    path = tmp_path / "a.s19"
    path.write_text("S107000001020304EE\nS9030000FC\n")
    assert main(["flash", "hwsim://units?clock=virtual", str(path), "--build=2.0"]) == 0
    assert "a.s19: SREC, 4 bytes from 0x0\n" in capsys.readouterr().out


def test_flash_says_what_a_file_is_that_is_no_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.s19"
    path.write_text("S107000001020304EE\nS9030000FC\n")
    assert main(["flash", "hwsim://units?clock=virtual", str(path)]) == 1
    assert "a.s19 is SREC, not an image; --build VERSION" in capsys.readouterr().err
    path.write_bytes(build_image(0x20000, b"code"))
    assert main(["flash", "hwsim://units?clock=virtual", str(path), "--build=3.0"]) == 1
    assert "is an image of hwsim already" in capsys.readouterr().err
