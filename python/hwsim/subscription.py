"""Subscriptions: a device's events, read from a queue or given to a callback."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, Self

from hwsim import _native
from hwsim._kinds import EVENTS_LARGEST_QUEUE
from hwsim.arguments import choice, integer
from hwsim.cancel import CancelToken
from hwsim.errors import DeviceClosed
from hwsim.events import KINDS, OVERFLOWS, Event, EventKind, Overflow
from hwsim.lifetime import Scoped

OnError = Literal["unraisable", "raise"] | Callable[[BaseException], object]


class SubscriptionStatus(NamedTuple):
    """The state of a subscription.

    Attributes:
        queued: Events in the queue.
        delivered: Events that have been read or given to the callback.
        lost: Events that have been lost because the queue was full.
    """

    queued: int
    delivered: int
    lost: int


class Subscription(Scoped, _native.Subscription):
    """A subscriber's queue of events; made by :meth:`hwsim.Device.events` and ``on_event``.

    Without a callback it is read: by iterating, which ends when it is closed, or by :meth:`read`.
    Several readers take turns. It may be used in a ``with`` statement, which closes it.

    Attributes:
        kinds: The kinds of events that it gets.
        callback: What is called with each event; None: the events are read.
        on_error: What becomes of an exception that the callback raises.

    **Thread safety:** every method may be called from any thread at any time, also in the callback.
    """

    _instead = "open the device in the other process, and subscribe there"
    _timeout: float | None = None

    def __init__(
        self,
        device: _native.Device,
        callback: Callable[[Event], object] | None,
        *,
        kinds: Iterable[EventKind] | None = None,
        queue: int = 256,
        overflow: Overflow = "drop",
        on_error: OnError = "unraisable",
        timeout: float | None = None,
    ) -> None:
        if not isinstance(device, _native.Device):
            raise TypeError(f"device must be a Device, got {device!r}")
        self.kinds = _wanted(kinds)
        choice("overflow", overflow, OVERFLOWS)
        if not callable(on_error) and on_error not in ("unraisable", "raise"):
            raise ValueError(f"on_error must be unraisable, raise or a callable, got {on_error!r}")
        self.callback = callback
        self.on_error = on_error
        self._timeout = timeout
        self._device = weakref.ref(device)
        super().__init__(
            device,
            sum(1 << number for number, kind in enumerate(KINDS) if kind in self.kinds),
            queue,
            OVERFLOWS.index(overflow),
            None if callback is None else self,
        )
        if callback is not None:
            self._kept_by(device).add(self)
            if not self.is_open:  # the callback has closed it already
                self._kept_by(device).discard(self)

    def close(self) -> None:
        """Ends the subscription and drops the events in its queue. Closing twice is fine.

        No callback begins afterwards (without a GIL, one may be just about to). Closing never waits
        for a callback in another thread, so the caller may hold a lock that the callback wants.
        """
        super().close()
        device = self._device()
        if device is not None:
            self._kept_by(device).discard(self)

    @staticmethod  # not of the module, whose names are gone when a destructor at exit closes
    def _kept_by(device: _native.Device) -> set[Subscription]:
        """Returns the subscriptions with a callback that the device keeps until they are closed.

        The first thread that asks makes the set. It is the device's own, so that a device, a
        callback and what the callback refers to can be collected together.
        """
        kept: set[Subscription] = device.__dict__.setdefault("_subscriptions", set())
        return kept

    def __trace_label__(self, method: str) -> str | None:
        """What a trace of hwsim.proof calls a native call."""
        device = self._device()
        if device is None:
            return None
        return f"{device._name()} Subscription.{method.removeprefix('_')}"

    def _end(self) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether it has not been closed (and was made in this process)."""
        return self._is_open()

    @property
    def status(self) -> SubscriptionStatus:
        """How many events are queued, delivered and lost."""
        queued, delivered, lost, _ = self._status()
        return SubscriptionStatus(queued, delivered, lost)

    def read(
        self,
        count: int = 1,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> list[Event]:
        """Waits for an event, and returns it with those that follow it in the queue.

        Args:
            count: The most events to return, 1 to 2**20.
            timeout: In seconds of the device's clock; None: that of :meth:`Device.events`, or else
                the device's.
            cancel: A token that stops the call.

        Raises:
            DeviceTimeout: There was no event in time.
            DeviceClosed: The subscription or the device has been closed; events from before the
                device was closed are read first.
            StateError: The events go to a callback.
        """
        timeout = self._timeout if timeout is None else timeout
        return self._next(integer("count", count, 1, EVENTS_LARGEST_QUEUE), timeout, cancel)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        try:
            return self.read()[0]
        except DeviceClosed:
            if self.is_open:
                raise
            raise StopIteration from None

    def __repr__(self) -> str:
        if "_device" not in self.__dict__:
            return "<hwsim.Subscription, not initialised>"
        state = "open" if self.is_open else "closed"
        return f"<hwsim.Subscription to {', '.join(sorted(self.kinds))}, {state}>"


def _wanted(kinds: Iterable[EventKind] | None) -> frozenset[EventKind]:
    """Returns the kinds that are wanted, checked; None: all."""
    wanted: Iterable[EventKind] | None = KINDS if kinds is None else kinds
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        raise TypeError(f"kinds must be several, such as ['timer', 'fault'], got {kinds!r}")
    wanted = list(wanted)
    for kind in wanted:
        choice("kinds", kind, KINDS)
    if not wanted:
        raise ValueError(f"kinds must be at least one of {', '.join(KINDS)}, got {kinds!r}")
    return frozenset(wanted)
