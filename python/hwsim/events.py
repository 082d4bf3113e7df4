"""Events: what happens on a device, read from a queue or given to a callback."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn, Self, get_args

from hwsim import _native
from hwsim.arguments import choice, integer
from hwsim.errors import DeviceClosed

if TYPE_CHECKING:
    from hwsim.device import CancelToken, Device

EventKind = Literal[
    "fault", "disconnect", "reconnect", "trigger", "overrun", "firmware",
    "register", "timer", "threshold",
]  # fmt: skip
KINDS: tuple[EventKind, ...] = get_args(EventKind)  # in the order of their numbers
Overflow = Literal["drop", "wait"]
OVERFLOWS: tuple[Overflow, ...] = get_args(Overflow)


class Event(NamedTuple):
    """Something that happened on a device.

    ========== ============================================== ======================= ============
    kind       happens when                                   value                   channel
    ========== ============================================== ======================= ============
    timer      the device's timer ticks                       number of the tick      0
    threshold  a channel crosses its threshold                volts                   the channel
    trigger    ``device.trigger()`` is called                 the value given         0
    register   a write, an update or a reset changes one      the new value           its address
    fault      an operation is hit                            its number              the fault's
    overrun    a stream's reader finds that it was too late   samples lost            0
    disconnect the device is disconnected                     0                       0
    reconnect  the device is back                             0                       0
    firmware   new firmware runs                              its version             0
    ========== ============================================== ======================= ============

    Attributes:
        kind: What happened.
        time_s: When, in seconds of the device's clock.
        sequence: Its number among the events of the subscription, from 0; lost ones count.
        channel: See the table.
        value: See the table.
        lost: How many events of the subscription were lost right before this one.
    """

    kind: EventKind
    time_s: float
    sequence: int
    channel: int
    value: float
    lost: int


class SubscriptionStatus(NamedTuple):
    """The state of a subscription.

    Attributes:
        queued: Events in the queue.
        delivered: Events that have been read, or given to the callback.
        lost: Events that have been lost, because the queue was full.
    """

    queued: int
    delivered: int
    lost: int


class Subscription(_native.Subscription):
    """Who wants to know of events; made by :meth:`hwsim.Device.events` and ``on_event``.

    Without a callback it is read: by iterating, which ends when it is closed, or by :meth:`read`.
    Several readers take turns. It may be used in a ``with`` statement, which closes it.

    Attributes:
        kinds: Of the events.
        callback: What is called with each event; None: it is read.
        on_error: What becomes of an exception that the callback raises.

    **Thread safety:** every method may be called from any thread at any time, also in the callback.
    """

    _timeout: float | None = None

    def __init__(
        self,
        device: Device,
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
        self.kinds = _kinds(kinds)
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
            integer("queue", queue, 1, 2**20),
            OVERFLOWS.index(overflow),
            None if callback is None else self,
        )
        if callback is not None:
            device._subscriptions.add(self)
            if not self.is_open:  # the callback has been faster
                device._subscriptions.discard(self)

    def close(self) -> None:
        """Ends the subscription; what is in its queue is dropped. Closing twice is fine.

        No callback begins after it (without a GIL, one may be just about to). It never waits for
        one that runs in another thread, so it may be called while holding a lock that the callback
        wants.
        """
        super().close()
        device = self._device()
        if device is not None:
            device._subscriptions.discard(self)

    @property
    def is_open(self) -> bool:
        """Whether it has not been closed (and was made in this process)."""
        return self._is_open()

    @property
    def status(self) -> SubscriptionStatus:
        """How many events are queued, delivered and lost."""
        return SubscriptionStatus(*self._status())

    def read(
        self,
        count: int = 1,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> list[Event]:
        """Waits for an event, and returns it and those behind it in the queue.

        Args:
            count: How many events at most, 1 to 2**20.
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
        return self._next(integer("count", count, 1, 2**20), timeout, cancel)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        try:
            return self.read()[0]
        except DeviceClosed:
            if self.is_open:
                raise
            raise StopIteration from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Subscription cannot be pickled or copied")

    def __repr__(self) -> str:
        if "_device" not in self.__dict__:
            return "<hwsim.Subscription, not initialised>"
        state = "open" if self.is_open else "closed"
        return f"<hwsim.Subscription to {', '.join(sorted(self.kinds))}, {state}>"


def _kinds(kinds: Iterable[EventKind] | None) -> frozenset[EventKind]:
    """Checks which kinds are wanted; None: all."""
    wanted: Iterable[EventKind] | None = KINDS if kinds is None else kinds
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        raise TypeError(f"kinds must be several, such as ['timer', 'fault'], got {kinds!r}")
    wanted = list(wanted)
    for kind in wanted:
        choice("kinds", kind, KINDS)
    if not wanted:
        raise ValueError(f"kinds must be at least one of {', '.join(KINDS)}, got {kinds!r}")
    return frozenset(wanted)


OnError = Literal["unraisable", "raise"] | Callable[[BaseException], object]
