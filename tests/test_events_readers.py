"""Reading events from a queue: who waits, for how long, and what ends the wait."""

from __future__ import annotations

import gc
import itertools
import math
import weakref

import pytest

import hwsim
from conftest import LIMIT, OpenDevice, in_thread, parallelize
from events import MANUAL, VIRTUAL, sequences, there, values
from hwsim import Event
from hwsim.errors import DeviceClosed, DeviceTimeout, OperationCancelled

# ----------------------------------------------------------------------------------------- reading


def test_read_takes_the_oldest_that_are_there(open_device: OpenDevice) -> None:
    device = open_device()
    events = device.events()
    for n in range(10):
        device.trigger(n)
    assert values(events.read(4)) == [0, 1, 2, 3]
    assert values(events.read()) == [4]
    assert next(events).value == 5
    assert values(events.read(100)) == [6, 7, 8, 9]
    assert events.status == (0, 10, 0)


def test_iteration_waits_for_the_next_event(open_device: OpenDevice) -> None:
    """A virtual clock jumps to it."""
    device = open_device("latency=0s&clock=virtual&timer=250ms")
    events = device.events(kinds=["timer"])
    for n, event in enumerate(itertools.islice(events, 1000)):
        assert event == Event("timer", (n + 1) * 0.25, n, 0, n + 1, 0)
        assert device.now == event.time_s


def test_reader_is_woken_by_the_event(open_device: OpenDevice) -> None:
    """Over many rounds, each side at its own pace: no wake-up may be lost."""
    there_device, back_device = open_device("latency=0s&timeout=inf"), open_device()
    there_events, back_events = (
        device.events(timeout=math.inf) for device in (there_device, back_device)
    )

    def answer() -> None:
        for event in itertools.islice(there_events, 300):
            back_device.trigger(event.value + 1)

    future = in_thread(answer)
    for n in range(300):
        there_device.trigger(n)
        assert next(back_events).value == n + 1
    future.result(LIMIT)


def test_timeout_is_in_seconds_of_the_devices_clock(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=virtual&timer=1s&timeout=5s")
    events = device.events(kinds=["timer", "trigger"])
    with pytest.raises(DeviceTimeout, match=r"no event within the timeout of 0\.25 s"):
        events.read(timeout=0.25)
    assert device.now == 0.25
    assert events.read(timeout=0.75)[0].time_s == 1, "at the same time, the event wins"


@pytest.mark.parametrize(
    ("of_device", "of_events", "of_call", "expected"),
    [
        ("3s", None, None, 3),
        ("3s", 2.0, None, 2),
        ("3s", 2.0, 1.0, 1),
        ("3s", None, 1.0, 1),
        ("inf", 2.0, None, 2),
        ("3s", math.inf, 0, 0),
        ("3s", 0, None, 0),
    ],
)
def test_timeout_of_the_call_of_the_subscription_or_of_the_device(
    of_device: str,
    of_events: float | None,
    of_call: float | None,
    expected: float,
    open_device: OpenDevice,
) -> None:
    device = open_device(f"latency=0s&clock=virtual&timeout={of_device}")
    events = device.events(timeout=of_events)
    with pytest.raises(DeviceTimeout) as caught:
        events.read(timeout=of_call)
    assert device.now == expected
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.device == device.name


def test_iterator_may_be_used_again_after_its_timeout(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=virtual")
    events = device.events(timeout=1)
    seen: list[float] = []
    for n in range(3):
        with pytest.raises(DeviceTimeout):
            for event in events:
                seen.append(event.value)
        device.trigger(n)
    assert seen == [0, 1]
    assert device.now == 3


def test_reader_may_wait_for_ever(open_device: OpenDevice) -> None:
    device = open_device("latency=10s&clock=virtual&timer=3600s")
    events = device.events(kinds=["timer"], timeout=math.inf)
    assert next(events).time_s == 3600
    assert device.now == 3600


@pytest.mark.parametrize("how", ["before", "during"])
def test_token_cancels_a_reader(how: str, open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    events = device.events()
    token = hwsim.CancelToken()
    if how == "before":
        token.cancel()
        device.trigger(7)
    future = in_thread(lambda: events.read(cancel=token))
    token.cancel()
    with pytest.raises(OperationCancelled) as caught:
        future.result(LIMIT)
    assert caught.value.device == device.name
    if how == "before":
        assert values(events.read()) == [7], "a read that was cancelled takes nothing"


def test_cancelled_reader_leaves_the_events_to_others(open_device: OpenDevice) -> None:
    """No event is lost, whenever the reader is cancelled."""
    device = open_device("latency=0s&timeout=inf")
    events = device.events()
    for _ in range(50):
        token = hwsim.CancelToken()

        def read(token: hwsim.CancelToken = token) -> list[Event]:
            try:
                return events.read(cancel=token)
            except OperationCancelled:
                return []

        def work(i: int, token: hwsim.CancelToken = token) -> list[Event]:
            actions = (read, lambda: device.trigger(1), token.cancel)
            return actions[i]() or []

        found = list(itertools.chain.from_iterable(parallelize(work, 3))) + there(events)
        assert values(found) == [1]
    assert events.status == (0, 50, 0)


def test_cancel_of_the_device_cancels_readers(open_device: OpenDevice) -> None:
    device = open_device("latency=3600s&timeout=inf")
    events = device.events()

    def read() -> list[Event]:
        return events.read()

    future = in_thread(read)
    while not future.done():  # until the reader waits, there is nothing to cancel
        device.cancel()
    with pytest.raises(OperationCancelled):
        future.result(LIMIT)
    assert events.is_open


def test_readers_take_turns(open_device: OpenDevice) -> None:
    """Each event goes to one of them; what each sees is in order."""
    device = open_device("latency=0s&timeout=inf")
    events = device.events(queue=64, overflow="wait")

    def work(i: int) -> list[Event]:
        if i == 0:
            for n in range(2000):
                device.trigger(n)
            device.close()
            return []
        found: list[Event] = []
        while True:
            try:
                found += events.read(i)
            except DeviceClosed:
                return found

    results = parallelize(work, 5)
    assert all(sequences(found) == sorted(sequences(found)) for found in results)
    everything = sorted(
        list(itertools.chain.from_iterable(results)), key=lambda event: event.sequence
    )
    assert [(e.sequence, e.value, e.lost) for e in everything] == [(n, n, 0) for n in range(2000)]
    assert events.status == (0, 2000, 0)


def test_writers_in_many_threads_make_one_sequence(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&timeout=inf")
    events = device.events(queue=2**12)

    def work(i: int) -> None:
        for n in range(200):
            device.trigger(1000 * i + n)

    parallelize(work, 4)
    found = there(events)
    assert sequences(found) == list(range(800))
    assert [e.time_s for e in found] == sorted(e.time_s for e in found)
    for i in range(4):
        assert [e.value - 1000 * i for e in found if e.value // 1000 == i] == list(range(200))


# ----------------------------------------------------------------------------------------- its end


def test_closed_subscription_ends_its_iteration(open_device: OpenDevice) -> None:
    device = open_device()
    with device.events() as events:
        for n in range(3):
            device.trigger(n)
        assert next(events).value == 0
        assert events.is_open
    assert not events.is_open
    assert list(events) == [], "what was in the queue is dropped"
    assert events.status == (0, 1, 0), "on request, not lost"
    with pytest.raises(DeviceClosed, match="the subscription is closed"):
        events.read()
    events.close()
    device.trigger(9)
    assert list(events) == []


def test_with_closes_it_whatever_happens(open_device: OpenDevice) -> None:
    device = open_device()
    with pytest.raises(LookupError), device.events() as events:
        raise LookupError
    assert not events.is_open


@pytest.mark.parametrize("timeout", [math.inf, None])
def test_close_wakes_whoever_waits(timeout: float | None, open_device: OpenDevice) -> None:
    """At any moment; the device and other subscriptions go on."""
    device = open_device("latency=0s&timeout=inf")
    kept = device.events()
    for n in range(30):
        events = device.events(timeout=timeout)

        def work(i: int, events: hwsim.Subscription = events) -> list[Event]:
            if i:
                return list(events)
            events.close()
            return []

        assert parallelize(work, 4) == [[]] * 4
        device.trigger(n)
    assert values(there(kept)) == list(range(30))


def test_close_of_the_device_ends_readers_after_what_was_there(open_device: OpenDevice) -> None:
    device = open_device(MANUAL)
    events, waiting = device.events(), device.events(kinds=["timer"])
    future = in_thread(lambda: next(waiting))
    for n in range(3):
        device.trigger(n)
    device.close()
    with pytest.raises(DeviceClosed, match="the device is closed"):
        future.result(LIMIT)
    assert values(events.read(2)) == [0, 1]
    assert events.status == (1, 2, 0)
    assert next(events).value == 2
    for _ in range(2):
        with pytest.raises(DeviceClosed, match="the device is closed"):
            next(events)
    events.close()
    assert list(events) == []


def test_ticks_held_back_can_be_read_after_the_device_closed(open_device: OpenDevice) -> None:
    device = open_device(MANUAL + "&timer=1s")
    events = device.events(queue=2, overflow="wait")
    device.advance(5.5)
    device.close()
    found = []
    while more := there(events):
        found += more
    assert sequences(found) == list(range(len(found)))
    assert len(found) + events.status.lost == 5, "read or counted"


def test_subscription_outlives_its_device_object(open_device: OpenDevice, name: str) -> None:
    """As a stream does: a program may need the device for nothing but this iteration."""
    events = hwsim.open(f"hwsim://{name}?latency=0s&clock=virtual&timer=1s").events()
    gc.collect()
    assert [event.time_s for event in itertools.islice(events, 3)] == [1, 2, 3]
    del events
    gc.collect()
    hwsim.open(f"hwsim://{name}").close()


def test_dropped_iterator_is_gone(open_device: OpenDevice) -> None:
    """Such as that of a loop that was left: nothing could read it any more."""
    device = open_device("latency=0s&clock=virtual&timer=1s")
    alive: list[weakref.ref[hwsim.Subscription]] = []
    for _ in range(5):
        events = device.events()
        alive.append(weakref.ref(events))
        for _ in events:
            break
    del events
    gc.collect()
    assert [reference() for reference in alive] == [None] * 5
    assert device.is_open


def test_dropped_iterator_holds_nothing_back(open_device: OpenDevice) -> None:
    device = open_device(VIRTUAL)
    device.events(queue=1, overflow="wait")
    gc.collect()
    for n in range(5):
        device.trigger(n)


def test_iterator_of_a_running_loop_is_not_gone(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=virtual&timer=1s")
    for event in device.events():
        gc.collect()
        if event.sequence == 2:
            break
    assert device.now == 3
