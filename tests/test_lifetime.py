"""Objects that stand for something in this process: not copied, and ended by a ``with``."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import hwsim
from conftest import OpenDevice

MAKE: dict[str, Callable[[hwsim.Device], Any]] = {
    "Device": lambda device: device,
    "Stream": lambda device: device.stream(1000),
    "Subscription": lambda device: device.events(),
    "CancelToken": lambda device: hwsim.CancelToken(),
}
ADVICE = {
    "Device": "pass its uri, and open it there",
    "Stream": "open the device in the other process, and start one there",
    "Subscription": "open the device in the other process, and subscribe there",
    "CancelToken": "share it between threads as it is; another process needs one of its own",
}


@pytest.mark.parametrize("dump", [pickle.dumps, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("name", MAKE)
def test_pickle_and_copy_are_refused_with_advice(
    name: str, dump: Callable[[object], object], open_device: OpenDevice
) -> None:
    with pytest.raises(TypeError) as caught:
        dump(MAKE[name](open_device()))
    assert str(caught.value) == f"a {name} cannot be pickled or copied: {ADVICE[name]}"


@pytest.mark.parametrize("name", MAKE)
def test_pickle_of_what_is_not_initialised_is_refused_alike(name: str) -> None:
    cls: Any = getattr(hwsim, name)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(cls.__new__(cls))


@pytest.mark.parametrize("name", ["Device", "Subscription"])
def test_with_closes_it(name: str, open_device: OpenDevice) -> None:
    made = MAKE[name](open_device())
    with pytest.raises(KeyError), made as entered:
        assert entered is made
        assert made.is_open
        raise KeyError
    assert not made.is_open


def test_with_stops_a_stream(open_device: OpenDevice) -> None:
    stream = open_device("latency=0s&clock=virtual").stream(1000)
    with stream as entered:
        assert entered is stream
        assert stream.status.running
    assert not stream.status.running


def test_with_calls_the_close_of_a_derived_class(name: str) -> None:
    closed = []

    class Bench(hwsim.Device):
        def close(self) -> None:
            closed.append(self.name)
            super().close()

    with Bench(f"hwsim://{name}") as device:
        assert closed == []
    assert closed == [name]
    assert not device.is_open


@pytest.mark.parametrize("name", ["Stream", "Subscription", "CancelToken"])
def test_what_refers_to_itself_is_collected(name: str, open_device: OpenDevice) -> None:
    """A mixin that changed the layout could hide the attributes from the garbage collector."""
    made = MAKE[name](open_device())
    made.itself = made
    reference = weakref.ref(made)
    del made
    gc.collect()
    assert reference() is None


def test_device_that_refers_to_itself_is_collected(name: str) -> None:
    device: Any = hwsim.open(f"hwsim://{name}")
    device.itself = device
    reference = weakref.ref(device)
    del device
    gc.collect()
    assert reference() is None
