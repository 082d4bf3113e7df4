"""Arguments of subscriptions, timers and thresholds: wrong ones are named, right ones all work."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest

import hwsim
from conftest import OpenDevice
from events import MANUAL
from hwsim.errors import InvalidArgument, StateError
from hwsim.events import Overflow

OVERFLOWS: tuple[Overflow, ...] = get_args(Overflow)


WRONG: dict[str, tuple[Callable[[hwsim.Device], object], type[Exception], str]] = {
    "kind": (
        lambda d: d.events(kinds=["timr"]),  # type: ignore[list-item]
        ValueError,
        r"kinds must be one of fault, .*threshold, got 'timr'",
    ),
    "kind-number": (
        lambda d: d.events(kinds=[7]),  # type: ignore[list-item]
        ValueError,
        r"kinds must be one of fault, .*threshold, got 7",
    ),
    "kind-list": (
        lambda d: d.events(kinds=[[]]),  # type: ignore[list-item]
        (TypeError, ValueError),  # type: ignore[dict-item]
        r"kinds.*\[\]",
    ),
    "kinds-none": (lambda d: d.events(kinds=[]), ValueError, r"kinds must be .*fault.*threshold"),
    "kinds-text": (
        lambda d: d.events(kinds="timer"),  # type: ignore[arg-type]
        TypeError,
        r"kinds must be several, such as \['timer', .*\], got 'timer'",
    ),
    "kinds-number": (
        lambda d: d.events(kinds=5),  # type: ignore[arg-type]
        TypeError,
        r"kinds.* got 5",
    ),
    "queue-0": (
        lambda d: d.events(queue=0),
        ValueError,
        r"queue must be from 1 to 1048576 events, got 0",
    ),
    "queue-large": (
        lambda d: d.events(queue=2**20 + 1),
        ValueError,
        r"queue must be from 1 to 1048576 events, got 1048577",
    ),
    "queue-real": (
        lambda d: d.events(queue=1.5),  # type: ignore[arg-type]
        TypeError,
        r"queue must be an integer .*, got 1\.5",
    ),
    "overflow": (
        lambda d: d.events(overflow="keep"),  # type: ignore[arg-type]
        ValueError,
        r"overflow must be one of drop, wait, got 'keep'",
    ),
    "count-0": (
        lambda d: d.events().read(0),
        ValueError,
        r"count must be from 1 to 1048576, got 0",
    ),
    "count-text": (
        lambda d: d.events().read("4"),  # type: ignore[arg-type]
        TypeError,
        r"count must be an integer, got '4'",
    ),
    "timeout": (
        lambda d: d.events().read(timeout=-1),
        ValueError,
        r"timeout must be None or a number of seconds from 0 to math\.inf, got -1",
    ),
    "timeout-nan": (
        lambda d: d.events().read(timeout=math.nan),
        ValueError,
        r"timeout must be None or a number of seconds from 0 to math\.inf, got nan",
    ),
    "timeout-text": (
        lambda d: d.events().read(timeout="1s"),  # type: ignore[arg-type]
        TypeError,
        r"timeout must be None or a number of seconds .* got '1s' \(str\)",
    ),
    "cancel": (
        lambda d: d.events().read(cancel=5),  # type: ignore[arg-type]
        TypeError,
        r"cancel must be a .*CancelToken or None, got 5 \(int\)",
    ),
    "callback": (
        lambda d: d.on_event(5),  # type: ignore[arg-type]
        TypeError,
        r"callback must be callable, got 5",
    ),
    "callback-none": (
        lambda d: d.on_event(None),  # type: ignore[arg-type]
        TypeError,
        r"callback must be callable, got None",
    ),
    "on-error": (
        lambda d: d.on_event(len, on_error="ignore"),  # type: ignore[arg-type]
        ValueError,
        r"on_error must be unraisable, raise or a callable, got 'ignore'",
    ),
    "on-error-number": (
        lambda d: d.on_event(len, on_error=5),  # type: ignore[arg-type]
        (TypeError, ValueError),  # type: ignore[dict-item]
        r"on_error must be unraisable, raise or a callable, got 5",
    ),
    "timer": (
        lambda d: setattr(d, "timer", 3601),
        InvalidArgument,
        r"timer must be 0 or from 1e-06 to 3600 s, got 3601 s",
    ),
    "timer-short": (
        lambda d: setattr(d, "timer", 1e-7),
        InvalidArgument,
        r"timer must be 0 or from 1e-06 to 3600 s, got 1e-07 s",
    ),
    "timer-negative": (lambda d: setattr(d, "timer", -1), ValueError, r"timer must be .*got -1"),
    "timer-nan": (lambda d: setattr(d, "timer", math.nan), ValueError, r"timer must be .*got nan"),
    "timer-text": (lambda d: setattr(d, "timer", "1s"), TypeError, r"timer must be .*got '1s'"),
    "channel": (
        lambda d: d.set_threshold(4, 1.0),
        InvalidArgument,
        r"channel must be from 0 to 3, got 4",
    ),
    "channel-clear": (
        lambda d: d.clear_threshold(4),
        InvalidArgument,
        r"channel must be from 0 to 3, got 4",
    ),
    "level": (
        lambda d: d.set_threshold(0, 2e6),
        InvalidArgument,
        r"level must be from -1e6 to 1e6 V, got 2e\+06",
    ),
    "level-nan": (
        lambda d: d.set_threshold(0, math.nan),
        InvalidArgument,
        r"level must be from -1e6 to 1e6 V, got nan",
    ),
    "level-text": (
        lambda d: d.set_threshold(0, "1V"),  # type: ignore[arg-type]
        TypeError,
        r"level must be a number, got '1V' \(str\)",
    ),
    "hysteresis": (
        lambda d: d.set_threshold(0, 1, hysteresis=-0.5),
        InvalidArgument,
        r"hysteresis must be from 0 to 1e6 V, got -0\.5",
    ),
    "trigger": (
        lambda d: d.trigger("1"),  # type: ignore[arg-type]
        TypeError,
        r"value must be a number, got '1' \(str\)",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_argument_is_named(wrong: str, open_device: OpenDevice) -> None:
    """With its value and what would be allowed; nothing has happened."""
    act, error, message = WRONG[wrong]
    device = open_device()
    with pytest.raises(error, match=message):
        act(device)
    assert (device.timer, device.transactions) == (0, 0)


@pytest.mark.parametrize("text", ["1", "-1ms", "2h", "100ns", "fast"])
def test_wrong_timer_in_the_resource_string_is_named(text: str, name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"timer.*{text}"):
        hwsim.open(f"hwsim://{name}?timer={text}")


@pytest.mark.parametrize(
    "kinds",
    [
        ("timer", "trigger"),
        {"timer", "trigger"},
        {"timer": 1, "trigger": 2},
        iter(["timer", "trigger", "timer"]),
    ],
    ids=["tuple", "set", "dict", "iterator"],
)
def test_kinds_may_come_in_any_iterable(kinds: Any, open_device: OpenDevice) -> None:
    events = open_device().events(kinds=kinds)
    assert events.kinds == {"timer", "trigger"}
    assert "to timer, trigger, open>" in repr(events)


@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("queue", [1, 2**20, np.int64(7)])
def test_queue_of_every_size_works(queue: int, overflow: Overflow, open_device: OpenDevice) -> None:
    device = open_device(MANUAL + "&timer=1us")
    events = device.events(queue=queue, overflow=overflow)
    device.advance(2)
    assert events.status == (queue, 0, 2_000_000 - queue if overflow == "drop" else 0)
    found = events.read(7)
    assert len(found) == min(queue, 7)
    assert found[0].lost == (2_000_000 - queue if overflow == "drop" else 0)


def test_events_of_a_callback_cannot_be_read(open_device: OpenDevice) -> None:
    events = open_device().on_event(len)
    with pytest.raises(StateError, match=r"handler|callback"):
        events.read()
    with pytest.raises(StateError, match=r"handler|callback"):
        next(events)
