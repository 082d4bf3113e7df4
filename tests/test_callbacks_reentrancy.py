"""What a callback may do: use, close and make whatever it likes, while others do the same.

None of it may hang or crash: what could take the process with it runs in one of its own.
"""

from __future__ import annotations

import functools
import queue
import threading

import pytest

import hwsim
from callbacks import MANUAL, TICKS, Flush, HeldUp, Received, values
from calls import IMAGE
from conftest import LIMIT, OpenDevice, in_thread, run_script
from hwsim import Event
from hwsim.errors import DeviceClosed, DeviceTimeout, OperationCancelled

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_callback_closes_its_subscription_and_gets_nothing_more(
    open_device: OpenDevice, held_up: HeldUp, flush: Flush
) -> None:
    """Not even the rest of the same batch."""
    device, received = open_device(TICKS), Received()
    subscription = device.on_event(received)
    received.act = lambda event: subscription.close() if event.value == 3 else None
    with held_up():
        device.advance(10)
    assert values(received.take(3)) == [1, 2, 3]
    device.advance(10)
    flush()
    assert received.rest() == []
    assert not subscription.is_open and subscription.status.queued == 0


def test_another_thread_closes_it_in_the_middle_of_a_batch(
    open_device: OpenDevice, held_up: HeldUp, flush: Flush
) -> None:
    device, at_three, go_on = open_device(TICKS), threading.Event(), threading.Event()

    def act(event: Event) -> None:
        if event.value == 3:
            at_three.set()
            assert go_on.wait(LIMIT)

    received = Received(act)
    subscription = device.on_event(received)
    with held_up():
        device.advance(10)
    assert at_three.wait(LIMIT)
    subscription.close()
    assert not subscription.is_open, "and it has not waited for the callback"
    go_on.set()
    flush()
    assert values(received.rest()) == [1, 2, 3]


def test_no_callback_begins_after_close(open_device: OpenDevice, flush: Flush) -> None:
    """Even if the thread waits for the GIL at that moment."""
    device = open_device("latency=0s&timeout=inf")
    late: list[Event] = []

    def note_if(closed: threading.Event, event: Event) -> None:
        if closed.is_set():
            late.append(event)

    for _ in range(500):
        closed = threading.Event()
        subscription = device.on_event(functools.partial(note_if, closed))
        device.trigger()
        subscription.close()
        closed.set()
    flush()
    assert late == []


def test_callback_closes_its_device(open_device: OpenDevice, held_up: HeldUp, flush: Flush) -> None:
    """Operations that wait on it end; what happened before is still delivered."""
    device = open_device(TICKS)
    received = Received(lambda event: device.close())
    subscription = device.on_event(received)
    waiting = in_thread(lambda: device.wait_register(0x40, 1, 1))
    device.wait_pending(1)
    with held_up():
        device.advance(5)
    with pytest.raises(DeviceClosed):
        waiting.result(LIMIT)
    assert values(received.take(5)) == [1, 2, 3, 4, 5]
    assert not device.is_open
    subscription.close()
    flush()
    assert received.rest() == []


def test_callback_reopens_the_same_name(open_device: OpenDevice, name: str) -> None:
    opened: queue.SimpleQueue[hwsim.Device] = queue.SimpleQueue()
    uri = f"hwsim://{name}?{MANUAL}"
    second = Received()

    def reopen(event: Event) -> None:
        first.close()
        device = hwsim.open(uri)
        device.on_event(second)
        opened.put(device)

    first = hwsim.open(uri)
    first.on_event(reopen)
    first.trigger(1)
    with opened.get(timeout=LIMIT) as device:
        assert not first.is_open
        device.trigger(2)
        assert values(second.take()) == [2]


def test_callback_makes_new_subscriptions(open_device: OpenDevice, flush: Flush) -> None:
    """One more for each event; each of them gets what comes after it."""
    device = open_device(MANUAL)
    found: list[tuple[int, float]] = []
    made: list[hwsim.Subscription] = []

    def note(which: int, event: Event) -> None:
        found.append((which, event.value))

    def act(event: Event) -> None:
        made.append(device.on_event(functools.partial(note, len(made))))
        made.append(open_device().on_event(len))
        assert device.events(timeout=0).status == (0, 0, 0)

    received = Received(act)
    device.on_event(received)
    for n in range(4):
        device.trigger(n)
        received.take()
    flush()
    assert sorted(found) == [(0, 1), (0, 2), (0, 3), (2, 2), (2, 3), (4, 3)]
    assert len(made) == 8


def test_callbacks_make_and_close_each_other(open_device: OpenDevice) -> None:
    """A chain on the callbacks' own thread: each causes the event for the next."""
    device, done = open_device("latency=0s&timeout=inf"), threading.Event()

    def link(n: int) -> None:
        def act(event: Event) -> None:
            assert event.value == n and event.sequence == 0
            subscription.close()
            if n == 300:
                done.set()
            else:
                link(n + 1)

        subscription = device.on_event(act)
        device.trigger(n)

    link(0)
    assert done.wait(LIMIT)


@pytest.mark.parametrize("overflow", ["drop", "wait"])
@pytest.mark.parametrize("clock", ["real", "virtual"])
def test_callback_uses_its_own_device(
    clock: str, overflow: hwsim.events.Overflow, open_device: OpenDevice
) -> None:
    """For everything that a device can do; the events that it causes come to it afterwards."""
    device, errors = open_device(f"latency=10us&clock={clock}&rate=1kHz"), []

    def act(event: Event) -> None:
        if event.kind != "trigger":
            return
        try:
            device[0x40] = round(event.value)
            assert device[0x40] == event.value
            device.read_voltage(0)
            with device.stream(1e6, total=100) as stream:
                assert len(next(iter(stream))) == 100
            device.program_firmware(IMAGE) if device.firmware_version == 0x10000 else None
            with pytest.raises(TimeoutError):
                device.wait_register(0x44, 1, 1, timeout=1e-4)
            with device.events() as events:
                device.update_register(0x40, 1, 0)
                assert events.read(timeout=0)
        except BaseException as error:
            errors.append(error)

    received = Received(act)
    device.on_event(received, overflow=overflow, queue=8, kinds=["trigger", "register", "firmware"])
    device.trigger(1)
    found = received.take(4)
    assert errors == []
    assert [(e.kind, e.value) for e in found] == [
        ("trigger", 1), ("register", 1), ("firmware", 0x00020000), ("register", 0),
    ]  # fmt: skip


def test_callback_that_would_wait_for_itself_times_out(open_device: OpenDevice) -> None:
    """There is no room before it returns; the operation has no effect."""
    device = open_device("latency=0s&clock=virtual&timeout=1s")
    results: queue.SimpleQueue[object] = queue.SimpleQueue()

    def act(event: Event) -> None:
        if event.value == 99:
            device.trigger(1)
            try:
                device.trigger(2)
            except DeviceTimeout as error:
                results.put(error)

    received = Received(act)
    subscription = device.on_event(received, queue=1, overflow="wait")
    device.trigger(99)
    assert isinstance(results.get(timeout=LIMIT), DeviceTimeout)
    assert values(received.take(2)) == [99, 1]
    device.trigger(3)
    assert values(received.take()) == [3]
    assert subscription.status == (0, 3, 0)


@pytest.mark.parametrize(
    ("how", "error"),
    [("cancel", OperationCancelled), ("token", OperationCancelled), ("close", DeviceClosed)],
)
def test_callback_that_waits_can_be_ended(
    how: str, error: type[Exception], open_device: OpenDevice
) -> None:
    """Like any call; the callbacks of other subscriptions come after it."""
    ended: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
    device, token = open_device(MANUAL), hwsim.CancelToken()
    received, other = Received(), open_device()
    device.on_event(
        lambda event: device.wait_register(0x40, 1, 1, cancel=token), on_error=ended.put
    )
    other.on_event(received)
    device.trigger()
    device.wait_pending(1)
    other.trigger(7)
    assert received.rest() == []
    {"cancel": device.cancel, "token": token.cancel, "close": device.close}[how]()
    assert type(ended.get(timeout=LIMIT)) is error
    assert values(received.take()) == [7]


LOCK = """
    import gc, queue, sys, threading
    import hwsim

    lock, entered, results = threading.Lock(), threading.Event(), queue.SimpleQueue()
    device = hwsim.open("hwsim://lock?latency=0s&timeout=inf")
    other = hwsim.open("hwsim://other?latency=0s")

    def callback(event):
        entered.set()
        with lock:
            results.put(event.value)

    subscription = device.on_event(callback)
    with lock:
        device.trigger(1)
        device.trigger(2)
        entered.wait()
        {action}
        assert results.empty()
    assert results.get(timeout=50) == 1
    done = threading.Event()
    other.on_event(lambda event: done.set())
    other.trigger()
    assert done.wait(50)
    print(results.qsize())
"""


@pytest.mark.parametrize(
    ("action", "more"),
    [
        ("subscription.close()", 0),
        ("device.close()", 1),
        ("subscription.close(); device.close(); del subscription, device; gc.collect()", 0),
        ("del subscription, device; gc.collect()", 0),
        ("threads = [threading.Thread(target=subscription.close) for _ in range(8)]; "
         "[t.start() for t in threads]; [t.join() for t in threads]", 0),
        ("subscription.close(); subscription = device.on_event(callback)", 0),
        ("subscription.status; repr(subscription); device[0x40]; device.events().close()", 1),
    ],
    ids=["close", "close-device", "both", "drop", "threads", "anew", "look"],
)  # fmt: skip
def test_unsubscribing_with_the_lock_that_the_callback_wants(action: str, more: int) -> None:
    """It never waits for the callback, so nothing deadlocks."""
    assert run_script(LOCK.format(action=action)).check() == f"{more}\n"


def test_ten_thousand_subscriptions_in_eight_threads() -> None:
    """With events in between: each subscription calls its own callback, and all are freed."""
    output = run_script("""
        import gc, threading
        import hwsim
        from conftest import parallelize

        devices = [hwsim.open(f"hwsim://many{i}?latency=0s&timer=50us") for i in range(3)]
        called = [0] * 8

        def work(i):
            came = threading.Event()

            def callback(event):
                called[i] += 1
                came.set()

            for n in range(1250):
                device = devices[(i + n) % 3]
                subscription = device.on_event(callback, queue=4)
                if n % 4 == 0:
                    device.trigger(n)
                if n % 32 == 0:
                    came.clear()
                    assert came.wait(50)
                subscription.close()
                assert not subscription.is_open

        parallelize(work, 8)
        assert all(called), called
        assert all(len(device._subscriptions) == 0 for device in devices)
        del work
        gc.collect()
        assert not [o for o in gc.get_objects() if isinstance(o, hwsim.Subscription)]
        print("done")
    """).check()
    assert output == "done\n"


def test_many_live_subscriptions_on_many_devices(open_device: OpenDevice) -> None:
    """One thread serves them all."""
    callbacks = [Received() for _ in range(300)]
    devices = [open_device(TICKS) for _ in range(100)]
    for i, received in enumerate(callbacks):
        devices[i % 100].on_event(received)
    for device in devices:
        device.advance(7)
    for received in callbacks:
        assert values(received.take(7)) == [1, 2, 3, 4, 5, 6, 7]
    threads = [t for t in threading.enumerate() if isinstance(t, threading._DummyThread)]
    assert len(threads) <= 1


def test_progress_and_callbacks_at_once(open_device: OpenDevice) -> None:
    """A report may wait for an event; and a callback may run a long operation."""
    device, results = open_device("latency=0s"), queue.SimpleQueue[object]()
    received = Received()
    device.on_event(received, kinds=["trigger"])

    def progress(done: int, total: int) -> None:
        device.trigger(done)
        assert received.take()[0].value == done

    device.calibrate(0, samples=2**18, progress=progress)
    other = open_device()

    def program(event: Event) -> None:
        other.program_firmware(IMAGE, progress=lambda *_: None)
        results.put("programmed")

    device.on_event(program, kinds=["register"], on_error=results.put)
    device[0x40] = 1
    assert results.get(timeout=LIMIT) == "programmed"
    assert other.firmware_version == 0x00020000
