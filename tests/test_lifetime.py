"""Objects that stand for something in this process: not copied, and ended by a ``with``."""

from __future__ import annotations

import copy
import gc
import itertools
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import hwsim
from conftest import OpenDevice
from hwsim import _native

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


# ------------------------------------------------------------------------- classes made of them

NATIVE = {name: getattr(_native, name) for name in MAKE}
PAIRS = list(itertools.permutations(MAKE, 2))


class Silent:
    """Ends the chain of __init_subclass__."""

    def __init_subclass__(cls) -> None: ...


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_class_of_two_native_classes_is_refused(one: str, other: str) -> None:
    for namespace in (hwsim, _native):
        pair = getattr(namespace, one), getattr(namespace, other)
        for bases in (pair, (Silent, *pair), (pair[0], Silent, pair[1])):
            for body in ({}, {"__slots__": ()}, {"__slots__": ("mine",)}):
                with pytest.raises(TypeError):
                    type("Both", bases, dict(body))


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_metaclass_cannot_combine_them(one: str, other: str) -> None:
    cls: Any = getattr(hwsim, one)
    meta: Any = type(
        "Meta", (type(cls),), {"mro": lambda new: [new, getattr(hwsim, other), *cls.__mro__]}
    )
    with pytest.raises(TypeError):
        meta("Both", (cls,), {})


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_bases_cannot_be_another_native_class(one: str, other: str) -> None:
    mine: Any = type("Mine", (getattr(hwsim, one),), {})
    for bases in ((getattr(hwsim, other),), (getattr(hwsim, one), getattr(hwsim, other))):
        with pytest.raises((TypeError, AttributeError)):
            mine.__bases__ = bases
        with pytest.raises(TypeError):
            vars(type)["__bases__"].__set__(mine, bases)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_object_cannot_become_one_of_another_class(
    one: str, other: str, open_device: OpenDevice
) -> None:
    made = MAKE[one](open_device())
    plain: Any = type("Plain", (NATIVE[other],), {"__slots__": ()})
    for cls in (getattr(hwsim, other), NATIVE[other], plain):
        with pytest.raises(TypeError):
            made.__class__ = cls
        with pytest.raises(TypeError):
            object.__setattr__(made, "__class__", cls)


@pytest.mark.parametrize("name", MAKE)
def test_swigs_own_base_can_be_neither_called_nor_derived_from(name: str) -> None:
    base: Any = getattr(hwsim, name).__mro__[-2]
    assert base is NATIVE[name].__base__
    for make in (base, lambda: object.__new__(base), lambda: type("Mine", (base,), {})):
        with pytest.raises(TypeError):
            make()


@pytest.mark.parametrize("native", MAKE)
def test_class_of_one_native_class_and_others_in_python_works(native: str, name: str) -> None:
    class Mixin:
        extra = 5

    cls: Any = getattr(hwsim, native)
    mine: Any = type("Mine", (Mixin, cls), {"__slots__": ("slot",)})
    assert mine.extra == 5 and issubclass(mine, cls)
    if native == "Device":
        with mine(f"hwsim://{name}?latency=0s") as device:
            device.slot, device.more = 1, 2
            assert (device.slot, device.more, device[0x00]) == (1, 2, 0x48575349)
