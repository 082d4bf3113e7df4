"""What a trace knows of each thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["released", "waiting", "holding"]


@dataclass(frozen=True)
class Span:
    """A part of a thread's time. In microseconds since the trace began.

    Attributes:
        start_us: Its begin.
        end_us: Its end.
        state: ``"released"``: without the GIL; ``"waiting"``: to have it again; ``"holding"``: in
            a native call that has it.
        name: Of the call, as in :class:`Call`; where it is not known, of the file that released.
    """

    start_us: float
    end_us: float
    state: State
    name: str


@dataclass(frozen=True)
class Call:
    """What a native call took, in all threads. In microseconds.

    Attributes:
        name: Of the call; operations of a simulated device have its name before their own.
        times: How often it was called.
        held_us: With the GIL, in all; without the Python code that it called.
        released_us: Without the GIL, in all.
        waiting_us: Until it had the GIL again, in all.
    """

    name: str
    times: int
    held_us: float
    released_us: float
    waiting_us: float


@dataclass(frozen=True)
class Lane:
    """A thread.

    Attributes:
        id: The system's number.
        name: Python's; of one that has ended, ``thread NUMBER``.
        spans: One after the other; what is between them is Python code, or was not seen.
        lost: Spans for which there was no room.
    """

    id: int
    name: str
    spans: tuple[Span, ...]
    lost: int = 0
