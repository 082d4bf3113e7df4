"""What causes an event, and what the event says: its kind, time, channel, value and number.

What happens follows from the clock, so a manual clock makes every number exact, and on a virtual
one a reader never waits. The queues of events are in test_events_queue.py, callbacks in
test_callbacks.py.
"""

from __future__ import annotations

import contextlib
import copy
import math
import pickle
import queue
from collections.abc import Callable
from typing import NamedTuple, get_args

import pytest

import hwsim
from calls import BLOCKING, IMAGE, ON_BUS
from conftest import LIMIT, OpenDevice, run_script
from events import MANUAL, VIRTUAL, repeat, sequences, there
from hwsim import Event
from hwsim.device import FaultKind
from hwsim.errors import BusError, HwsimError
from hwsim.events import KINDS, EventKind


def fail(device: hwsim.Device, kind: FaultKind) -> None:
    """An operation that the fault hits."""
    device.inject(kind)
    with pytest.raises((HwsimError, RuntimeError)):
        device.read_register(0x40)


def lag(device: hwsim.Device) -> None:
    """A stream is read seven samples too late."""
    stream = device.stream(1000, buffer=10, overrun="skip")
    device.advance(0.017)
    assert stream.read(10).lost == 7


def reconnect(device: hwsim.Device) -> None:
    device.inject("disconnect")
    device.inject("reconnect")


def tick(device: hwsim.Device) -> None:
    device.timer = 0.25
    device.advance(0.25)


def cross(device: hwsim.Device) -> None:
    """The second sample of channel 2 is above its threshold."""
    device.set_signal(2, [0.0, 3.0], loop=False, noise=0, range=4)
    device.set_threshold(2, 1.0)
    device.advance(0.002)


class Cause(NamedTuple):
    """What causes one event of a kind on a manual clock, and that event."""

    act: Callable[[hwsim.Device], object]
    expected: Event


CAUSES: dict[EventKind, Cause] = {
    "fault": Cause(lambda d: fail(d, "crc"), Event("fault", 0.0, 0, 3, 1.0, 0)),
    "disconnect": Cause(lambda d: d.inject("disconnect"), Event("disconnect", 0.0, 0, 0, 0.0, 0)),
    "reconnect": Cause(
        reconnect,
        Event("reconnect", 0.0, 0, 0, 0.0, 0),
    ),
    "trigger": Cause(lambda d: d.trigger(-2.5), Event("trigger", 0.0, 0, 0, -2.5, 0)),
    "overrun": Cause(lag, Event("overrun", 0.017, 0, 0, 7.0, 0)),
    "firmware": Cause(
        lambda d: d.program_firmware(IMAGE), Event("firmware", 0.0, 0, 0, 0x00020000, 0)
    ),
    "register": Cause(
        lambda d: d.write_register(0x44, 2**32 - 1), Event("register", 0.0, 0, 0x44, 2**32 - 1, 0)
    ),
    "timer": Cause(tick, Event("timer", 0.25, 0, 0, 1.0, 0)),
    "threshold": Cause(cross, Event("threshold", 0.002, 0, 2, 3.0, 0)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_event_says_what_happened_when_and_where(kind: EventKind, open_device: OpenDevice) -> None:
    device = open_device(MANUAL + "&rate=1kHz")
    with device.events(kinds=[kind]) as events:
        CAUSES[kind].act(device)
        found = events.read(9)
    assert found == [CAUSES[kind].expected]


@pytest.mark.parametrize("kind", KINDS)
def test_subscription_gets_only_the_kinds_asked_for(
    kind: EventKind, open_device: OpenDevice
) -> None:
    device = open_device(MANUAL + "&rate=1kHz")
    others = device.events(kinds=set(KINDS) - {kind})
    mine, everything = device.events(kinds=[kind]), device.events()
    for cause in CAUSES.values():
        cause.act(device)
    every = there(everything)
    assert {event.kind for event in every} == set(KINDS)
    for found, expected in [
        (there(mine), [event for event in every if event.kind == kind]),
        (there(others), [event for event in every if event.kind != kind]),
    ]:
        assert [(e.kind, e.time_s, e.channel, e.value) for e in found] == [
            (e.kind, e.time_s, e.channel, e.value) for e in expected
        ]
        assert sequences(found) == list(range(len(expected)))


@pytest.mark.parametrize("act", ["write_register", "write_block", "update_register", "reset"])
def test_each_register_that_changes_is_an_event(act: str, open_device: OpenDevice) -> None:
    """Only those: writing the value that is already there changes nothing."""
    device = open_device("latency=0s")
    device.write_block(0x40, [1, 2, 3, 4])
    events = device.events(kinds=["register"])
    actions: dict[str, Callable[[], object]] = {
        "write_register": lambda: repeat(lambda n: device.write_register(0x48, n), (3, 7)),
        "write_block": lambda: device.write_block(0x40, [1, 5, 3, 6]),
        "update_register": lambda: [device.update_register(0x40, 6, n) for n in (0, 6)],
        "reset": device.reset,
    }
    expected = {
        "write_register": [(0x48, 7)],
        "write_block": [(0x44, 5), (0x4C, 6)],
        "update_register": [(0x40, 7)],
        "reset": [(0x40, 0), (0x44, 0), (0x48, 0), (0x4C, 0)],
    }
    actions[act]()
    scratch = [(e.channel, e.value) for e in there(events) if e.channel >= 0x40]
    assert scratch == expected[act]


@pytest.mark.parametrize("kind", get_args(FaultKind))
def test_operation_that_a_fault_hits_is_an_event(kind: FaultKind, open_device: OpenDevice) -> None:
    """With the fault's number and the operation's, whether the operation fails or not."""
    if kind in ("stuck", "reconnect"):
        pytest.skip("falsifies what is read, or ends another fault: hits no operation")
    device = open_device(VIRTUAL)
    events = device.events(kinds=["fault"])
    device[0x40]
    device.inject(kind, at=2)
    with contextlib.suppress(HwsimError, RuntimeError):
        device.write_register(0x40, 1)
    expected = [] if kind == "lost" else [(get_args(FaultKind).index(kind) + 1, 2)]
    assert [(event.channel, event.value) for event in there(events)] == expected
    assert events.status.lost == (kind == "lost")


def test_event_happens_when_its_operation_takes_effect(open_device: OpenDevice) -> None:
    device = open_device("latency=250ms&clock=virtual")
    events = device.events()
    device.trigger(1)
    device.write_register(0x40, 1)
    device.inject("bus")
    with pytest.raises(BusError):
        device.read_register(0x40)
    assert [(event.kind, event.time_s) for event in there(events)] == [
        ("trigger", 0.25),
        ("register", 0.5),
        ("fault", 0.75),
    ]


@pytest.mark.parametrize("call", ON_BUS)
@pytest.mark.parametrize("kind", ["bus", "timeout", "disconnect"])
def test_operation_that_fails_causes_no_event_but_of_its_fault(
    kind: FaultKind, call: str, open_device: OpenDevice
) -> None:
    device = open_device("latency=1ms&clock=virtual&timeout=1s")
    device[0x48] = 5  # a reset would change it
    events = device.events()
    device.inject(kind, at=2)
    with pytest.raises(HwsimError):
        BLOCKING[call](device)
    kinds = [event.kind for event in there(events)]
    assert sorted(kinds) == sorted(["fault"] + ["disconnect"] * (kind == "disconnect"))


def test_subscription_starts_with_what_happens_next(open_device: OpenDevice) -> None:
    device = open_device(MANUAL + "&timer=1s")
    device.trigger(1)
    device.advance(2)
    events = device.events()
    device.trigger(2)
    device.advance(1)
    assert there(events) == [
        Event("trigger", 2.0, 0, 0, 2.0, 0),
        Event("timer", 3.0, 1, 0, 3.0, 0),
    ]


def test_subscriptions_do_not_share_their_events(open_device: OpenDevice) -> None:
    device = open_device()
    first = device.events()
    device.trigger(1)
    second = device.events()
    device.trigger(2)
    assert [(e.value, e.sequence) for e in there(first)] == [(1, 0), (2, 1)]
    assert [(e.value, e.sequence) for e in there(second)] == [(2, 0)]
    other = open_device().events()
    device.trigger(3)
    assert there(other) == []


def test_event_is_a_named_tuple(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    events = device.events()
    device.advance(1.5)
    device.trigger(0.5)
    event = next(events)
    assert type(event) is Event
    kind, time_s, sequence, channel, value, lost = event
    assert (kind, time_s, sequence, channel, value, lost) == ("trigger", 1.5, 0, 0, 0.5, 0)
    assert [type(field) for field in event] == [str, float, int, int, float, int]
    assert repr(event) == (
        "Event(kind='trigger', time_s=1.5, sequence=0, channel=0, value=0.5, lost=0)"
    )
    assert event._replace(value=2.0).value == 2.0
    assert event._asdict()["time_s"] == 1.5
    for twin in (copy.copy(event), copy.deepcopy(event), Event(*event)):
        assert twin == event and type(twin) is Event and hash(twin) == hash(event)


def test_event_is_found_in_a_set_of_tuples(open_device: OpenDevice) -> None:
    """Whether it was read or came to a callback; also where a tuple keeps its hash."""
    device = open_device()
    received: queue.SimpleQueue[Event] = queue.SimpleQueue()
    with device.on_event(received.put), device.events() as events:
        for _ in range(3):
            device.trigger(0.5)
        for event in (*events.read(3), *(received.get(timeout=LIMIT) for _ in range(3))):
            for twin in (tuple(event), Event(*event)):
                assert event in {twin} and twin in {event}
                assert hash(twin) == hash(event)


@pytest.mark.parametrize(
    "other",
    ["5", "int", "None", "list", "type('E', (tuple,), {})", "type('E', (str,), {'__slots__': ()})"],
)
def test_event_class_that_was_replaced_is_refused(other: str) -> None:
    """By a TypeError where events are read, and for a callback as an error of its own."""
    run_script(
        f"""
        import queue, sys
        import hwsim, hwsim.events

        device = hwsim.open("hwsim://replaced?latency=0s")
        events, own, hwsim.events.Event = device.events(), hwsim.events.Event, {other}
        device.trigger()
        try:
            events.read()
        except TypeError as error:
            assert "hwsim.events.Event must be a class of tuples" in str(error), error
        else:
            raise AssertionError
        errors = queue.SimpleQueue()
        sys.unraisablehook = lambda args: errors.put(args.exc_value)
        with device.on_event(print):
            device.trigger()
            assert isinstance(errors.get(timeout=50), TypeError)
        hwsim.events.Event = own
        device.trigger(2)
        assert isinstance(events.read(9)[-1], own)
        """
    ).check()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_event_can_be_pickled(protocol: int, open_device: OpenDevice) -> None:
    device = open_device()
    events = device.events()
    device.trigger(math.pi)
    event = next(events)
    twin = pickle.loads(pickle.dumps(event, protocol))
    assert twin == event and type(twin) is Event


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, -1.7976931348623157e308, math.inf, math.nan])
def test_value_of_a_trigger_arrives_as_it_is(value: float, open_device: OpenDevice) -> None:
    device = open_device()
    events = device.events()
    device.trigger(value)
    assert repr(next(events).value) == repr(value)


def test_trigger_is_zero_by_default(open_device: OpenDevice) -> None:
    device = open_device()
    events = device.events()
    device.trigger()
    assert next(events).value == 0.0
