"""Sidecars: what they hold is read again, and what is wrong in one is named."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from hwsim import sidecar
from hwsim.sidecar import GAPS_KEPT, Gap, Resumption, Sidecar

START = "2026-11-25T12:00:00+00:00"


def make(**options: Any) -> Sidecar:
    """A sidecar of two channels at 10 Hz."""
    return Sidecar("daq0", START, 0.1, 10.0, [0, 3], [10.0, 5.0], "int16", **options)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    written = make(first_index=7, complete=True, resumed=[Resumption(20, START, 3.5)])
    written.add(20, 0)
    written.add(30, 4)
    written.write(tmp_path / "x.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy.json"]
    found = sidecar.read(tmp_path / "x.npy")
    assert found == written
    assert found
    assert (found.gaps, found.resumed) == ([Gap(20, 4)], [Resumption(20, START, 3.5)])
    assert found.next_index == 7 + 50 + 4


def test_full_disk_has_room_for_it_in_its_own_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    what = make(gaps=[Gap(1, 2)] * 10)
    what.write(tmp_path / "x.npy")
    monkeypatch.setattr(os, "replace", full)
    what.gaps, what.complete = [], True
    what.write(tmp_path / "x.npy")
    assert sidecar.read(tmp_path / "x.npy") == what
    with pytest.raises(OSError, match=r"No space left on device: '.*y\.npy\.json'"):
        what.write(tmp_path / "y.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy.json"]


def test_file_is_one_line_a_key(tmp_path: Path) -> None:
    make(gaps=[Gap(1, 2)]).write(tmp_path / "x.npy")
    lines = (tmp_path / "x.npy.json").read_text().splitlines()
    assert ' "channels": [0, 3],' in lines
    assert ' "gaps": [{"row": 1, "lost": 2}],' in lines


def test_only_so_many_gaps_are_kept_and_all_are_counted() -> None:
    what = make()
    for _ in range(GAPS_KEPT + 5):
        what.add(1, 2)
    assert (len(what.gaps), what.gap_count) == (GAPS_KEPT, GAPS_KEPT + 5)
    assert (what.samples, what.lost) == (GAPS_KEPT + 5, 2 * (GAPS_KEPT + 5))


def test_time_of_a_row_counts_the_gaps_and_begins_anew_where_it_was_continued() -> None:
    what = make(resumed=[Resumption(30, "2026-11-25T13:00:00+01:00", 0.1)])
    what.gaps = [Gap(0, 3), Gap(10, 5), Gap(30, 1), Gap(35, 2)]
    assert [what.time_s(row) for row in (0, 9, 10, 29)] == pytest.approx([0, 0.9, 1.5, 3.4])
    assert [what.time_s(row) for row in (30, 34, 35)] == pytest.approx([0, 0.4, 0.7])
    what.resumed = [Resumption(30, "2026-11-25T12:01:00+00:00", 0.1)]
    assert what.time_s(30) == pytest.approx(60)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"rate_hz": 5}', "[" * 10**5, "\xff\xfe"])
def test_file_of_somebody_else_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.wav.json").write_text(text, encoding="latin-1")
    assert sidecar.read(tmp_path / "x.wav") is None


@pytest.mark.parametrize("path", ["x.wav", "missing/x.wav", "file/x.wav"])
def test_file_that_is_missing_is_none(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert sidecar.read(tmp_path / path) is None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("version", 2, "version 2 is not known, only 1"),
        ("device", 5, "device must be a name, got 5"),
        ("start", "yesterday", "start must be a time with its zone"),
        ("start", "2026-11-25T12:00:00", "start must be a time with its zone"),
        ("start_s", None, "start_s must be a number of seconds, got None"),
        ("rate_hz", 0, "rate_hz must be a number above 0"),
        ("rate_hz", True, "rate_hz must be a number above 0"),
        ("rate_hz", float("nan"), "rate_hz must be a number above 0"),
        ("rate_hz", 10**400, "rate_hz must be a number above 0"),
        ("channels", [], "channels must be a list of numbers"),
        ("channels", 3, "channels must be a list of numbers"),
        ("full_scale_volts", [0, 1], "full_scale_volts must be a list of numbers above 0"),
        ("full_scale_volts", [1], "a number for each of the 2 channels, got 1"),
        ("dtype", "int8", "dtype must be one of int16, float32, float64, got 'int8'"),
        ("dtype", ["int16"], "dtype must be one of"),
        ("samples", -1, "samples must be a number from 0"),
        ("gaps", [{"row": 1}], "gaps must be a list of objects with row and lost"),
        ("gaps", [[1, 2]], "gaps must be"),
        ("resumed", [{"row": 1, "start": 5, "start_s": 0}], "resumed must be"),
        ("complete", "yes", "complete must be true or false, got 'yes'"),
    ],
)
def test_what_is_wrong_is_named(key: str, value: Any, message: str, tmp_path: Path) -> None:
    make().write(tmp_path / "x.npy")
    path = tmp_path / "x.npy.json"
    everything = json.loads(path.read_text())
    path.write_text(json.dumps({**everything, key: value}))
    with pytest.raises(ValueError, match=message) as caught:
        sidecar.read(tmp_path / "x.npy")
    assert str(caught.value).startswith(f"{path}: ")
    del everything[key]
    path.write_text(json.dumps(everything))
    with pytest.raises(ValueError, match=key):
        sidecar.read(tmp_path / "x.npy")
