"""Events: what happens on a device. A subscription delivers them."""

from __future__ import annotations

from typing import NamedTuple

from hwsim import _kinds

EventKind = _kinds.EventKind
KINDS = _kinds.EVENT_KINDS
Overflow = _kinds.Overflow
OVERFLOWS = _kinds.OVERFLOWS


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
        lost: How many events of the subscription were lost just before this one.
    """

    kind: EventKind
    time_s: float
    sequence: int
    channel: int
    value: float
    lost: int
