# The native module that interface/hwsim.i generates. device.py completes what begins with "_".
from collections.abc import Callable
from typing import Any, Literal, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt

from hwsim.events import Event

_Class = TypeVar("_Class", bound=type)
_Register = tuple[str, int, str, int, int, str]

class _Config(TypedDict):
    name: str
    latency_ns: int
    jitter_ns: int
    bandwidth_bps: float
    channels: int
    seed: int
    clock: str
    clock_scale: float
    sample_rate_hz: float
    range_v: float
    noise_v: float

class CancelToken:
    def __init__(self) -> None: ...
    def cancel(self) -> None:
        """Stops every call that has this token, and those that start later. Never blocks."""
    def _is_cancelled(self) -> bool: ...

class Device:
    def __init__(self, uri: str) -> None: ...
    def close(self) -> None: ...
    def cancel(self) -> None:
        """Ends every operation that waits on the device with OperationCancelled. Never blocks."""
    def advance(self, seconds: float) -> None:
        """Moves a manual clock on; what is due by then takes effect. StateError: another clock."""
    def clear_faults(self) -> None:
        """Disarms every fault; a disconnected device stays so."""
    def read_register(
        self, address: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> int: ...
    def write_register(
        self,
        address: int,
        value: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None: ...
    def __getitem__(self, address: int, /) -> int: ...
    def __setitem__(self, address: int, value: int, /) -> None: ...
    def _is_open(self) -> bool: ...
    def _config(self) -> _Config: ...
    def _reset(self, limit: float | None = None, cancel: CancelToken | None = None) -> None: ...
    def _timeout(self) -> float: ...
    def _set_timeout(self, limit: float | None) -> None: ...
    def _transactions(self) -> int: ...
    def _pending(self) -> int: ...
    def _wait_pending(
        self, count: int, limit: float | None = None, cancel: CancelToken | None = None
    ) -> None: ...
    def _now_ns(self) -> int: ...
    def _read_block(
        self,
        address: int,
        values: npt.NDArray[np.uint32],
        limit: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None: ...
    def _write_block(
        self,
        address: int,
        values: npt.NDArray[np.uint32],
        limit: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None: ...
    def _update_register(
        self,
        address: int,
        mask: int,
        value: int,
        limit: float | None = None,
        cancel: CancelToken | None = None,
    ) -> int: ...
    def _wait_register(
        self,
        address: int,
        mask: int,
        expected: int,
        limit: float | None = None,
        cancel: CancelToken | None = None,
    ) -> int: ...
    def _signal(
        self, channel: int
    ) -> tuple[int, float, float, float, float, float, float, float, float, float]: ...
    def _set_signal(
        self,
        channel: int,
        waveform: int,
        amplitude: float,
        offset: float,
        frequency: float,
        phase: float,
        noise: float,
        gain_error: float,
        offset_error: float,
        inl: float,
        range: float,
        table_v: npt.NDArray[np.float64] | None,
    ) -> None: ...
    def _read_voltage(
        self, channel: int, limit: float | None = None, cancel: CancelToken | None = None
    ) -> float: ...
    def _timer(self) -> float: ...
    def _set_timer(self, timer: float) -> None: ...
    def _set_threshold(self, channel: int, level: float, hysteresis: float) -> None: ...
    def clear_threshold(self, channel: int) -> None:
        """Takes the comparator of a channel away."""
    def _trigger(
        self, value: float, limit: float | None = None, cancel: CancelToken | None = None
    ) -> None: ...
    def clear_calibration(self, channel: int) -> None:
        """Takes the correction of a channel away again."""
    def _calibrate(
        self,
        channel: int,
        samples: int,
        inl: npt.NDArray[np.float64],
        dnl: npt.NDArray[np.float64],
        limit: float | None,
        cancel: CancelToken | None,
        progress: Callable[[int, int], object] | None,
    ) -> tuple[
        float, float, float, float, float, float, float, float, float, int, float, float
    ]: ...
    def _program_firmware(
        self,
        image: object,
        verify: bool,
        retries: int,
        exclusive: bool,
        limit: float | None,
        cancel: CancelToken | None,
        progress: Callable[[int, int], object] | None,
    ) -> None: ...
    def _firmware_version(self) -> int: ...
    def _inject(
        self,
        kind: str,
        at: int,
        count: int,
        probability: float,
        extra: float,
        address: int,
        mask: int,
        value: int,
    ) -> None: ...

class Stream:
    def __init__(
        self,
        device: Device,
        rate: float,
        channels: npt.NDArray[np.uint32],
        buffer: int,
        total: int,
        first_index: int,
        overrun: int,
    ) -> None: ...
    def stop(self) -> None:
        """Ends the stream: reads that wait return what is there, later ones nothing."""
    def _status(self) -> tuple[int, int, int, bool]: ...
    def _volts_per_code(self, i: int) -> float: ...
    def _read(
        self, out: Any, limit: float | None = None, cancel: CancelToken | None = None
    ) -> tuple[int, int, int]: ...

class Subscription:
    def __init__(
        self, device: Device, kinds: int, queue: int, overflow: int, handler: object
    ) -> None: ...
    def close(self) -> None: ...
    def _is_open(self) -> bool: ...
    def _status(self) -> tuple[int, int, int]: ...
    def _next(
        self, count: int, limit: float | None = None, cancel: CancelToken | None = None
    ) -> list[Event]: ...

def bind_methods(derived: _Class) -> _Class: ...
def check_firmware(image: object) -> int: ...
def find_register(name: str) -> _Register: ...
def register_map() -> list[_Register]: ...
def list_devices() -> list[tuple[str, bool]]: ...
def gil_set_policy(policy: str) -> None: ...
def gil_get_policy() -> Literal["auto", "release", "hold"]: ...
def gil_releases() -> int: ...
def gil_declared() -> dict[str, str]: ...
