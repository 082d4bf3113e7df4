# The native module that interface/hwsim.i makes; python/hwsim completes what begins with "_".
# Generated from it by `make generated`; not to be edited.
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt

from hwsim._kinds import Access, EventKind, FaultKind, Waits
from hwsim.events import Event

_Class = TypeVar("_Class", bound=type)
_T = TypeVar("_T")

class _Config(TypedDict):
    name: str
    latency_ns: int
    jitter_ns: int
    bandwidth_bps: float
    channels: int
    seed: int
    clock: int
    clock_scale: float
    clock_name: str
    timeout_ns: int
    sample_rate_hz: float
    range_v: float
    noise_v: float
    timer_ns: int

_Listing = tuple[str, bool]
_Register = tuple[str, int, Access, int, int, str]
_Signal = tuple[int, float, float, float, float, float, float, float, float, float, float]
_OutputScale = tuple[float, float, int]
_Connection = tuple[int, float, float, float, float, float]
_Link = tuple[str, str, str, int, float, float, float, float, float, bool]
_Fault = tuple[FaultKind, int, int, float, float, int, int, int]
_StreamConfig = tuple[float, int, int, int, int]
_Block = tuple[int, int, int]
_StreamStatus = tuple[int, int, int, bool]
_Calibration = tuple[
    float, float, float, float, float, float, float, float, float, int, float, float
]
_FirmwareOptions = tuple[bool, int, bool]
_SubscriptionStatus = tuple[int, int, int, bool]
_Operation = tuple[str, str, Waits, int, tuple[EventKind, ...], str]

class CancelToken:
    def __init__(self) -> None: ...
    def cancel(self) -> None:
        """Stops every call that has this token, and those that start later. Never blocks."""
    def _is_cancelled(self) -> bool: ...

class Model:
    def __init__(self, description: tuple[Any, ...], /) -> None: ...
    def _description(self) -> tuple[Any, ...]: ...

class Device:
    def __init__(self, uri: str, model: Model | None = None, /) -> None: ...
    def close(self) -> None: ...
    def cancel(self) -> None:
        """Ends every operation that waits on the device with OperationCancelled. Never blocks."""
    def _is_open(self) -> bool: ...
    def _config(self) -> _Config: ...
    def _reset(self, limit: float | None = None, cancel: CancelToken | None = None, /) -> None: ...
    def _timeout(self) -> float: ...
    def _set_timeout(self, limit: float | None, /) -> None: ...
    def _transactions(self) -> int: ...
    def _pending(self) -> int: ...
    def _is_connected(self) -> bool: ...
    def _wait_connected(
        self, connected: bool, limit: float | None = None, cancel: CancelToken | None = None, /
    ) -> None: ...
    def _wait_pending(
        self, count: int, limit: float | None = None, cancel: CancelToken | None = None, /
    ) -> None: ...
    def _now_ns(self) -> int: ...
    def advance(self, seconds: float, /) -> None:
        """Moves a manual clock on; what is due by then takes effect. StateError: another clock."""
    def __getitem__(self, address: int, /) -> int: ...
    def __setitem__(self, address: int, value: int, /) -> None: ...
    def read_register(
        self, address: int, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> int: ...
    def _read_register(
        self, address: int, limit: float | None, cancel: CancelToken | None, /
    ) -> int: ...
    def write_register(
        self,
        address: int,
        value: int,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> None: ...
    def _write_register(
        self, address: int, value: int, limit: float | None, cancel: CancelToken | None, /
    ) -> None: ...
    def _read_block(
        self,
        address: int,
        values: npt.NDArray[np.uint32],
        limit: float | None = None,
        cancel: CancelToken | None = None,
        /,
    ) -> None: ...
    def _write_block(
        self,
        address: int,
        values: npt.NDArray[np.uint32],
        limit: float | None = None,
        cancel: CancelToken | None = None,
        /,
    ) -> None: ...
    def _read_bytes(
        self,
        address: int,
        data: object,
        limit: float | None = None,
        cancel: CancelToken | None = None,
        /,
    ) -> None: ...
    def _write_bytes(
        self,
        address: int,
        data: object,
        limit: float | None = None,
        cancel: CancelToken | None = None,
        /,
    ) -> None: ...
    def _update_register(
        self,
        address: int,
        mask: int,
        value: int,
        limit: float | None = None,
        cancel: CancelToken | None = None,
        /,
    ) -> int: ...
    def _wait_register(
        self,
        address: int,
        mask: int,
        expected: int,
        limit: float | None = None,
        cancel: CancelToken | None = None,
        /,
    ) -> int: ...
    def _default_signal(self, channel: int, /) -> _Signal: ...
    def _signal(self, channel: int, /) -> _Signal: ...
    def _set_signal(
        self, channel: int, signal: _Signal, table_v: npt.NDArray[np.float64] | None, /
    ) -> None: ...
    def _output(self, number: int, /) -> float: ...
    def _output_scale(self, number: int, /) -> _OutputScale: ...
    def _set_output(
        self,
        number: int,
        volts: float,
        limit: float | None = None,
        cancel: CancelToken | None = None,
        /,
    ) -> None: ...
    def _connect(
        self,
        channel: int,
        connection: _Connection,
        function_v: npt.NDArray[np.float64] | None,
        to: Device | None,
        /,
    ) -> None: ...
    def disconnect(self, channel: int, /) -> None:
        """Takes an output away from a channel: its power-on signal is back."""
    def _connections(self) -> list[_Link]: ...
    def _read_voltage(
        self, channel: int, limit: float | None = None, cancel: CancelToken | None = None, /
    ) -> float: ...
    def _timer(self) -> float: ...
    def _set_timer(self, timer: float, /) -> None: ...
    def _set_threshold(self, channel: int, level: float, hysteresis: float, /) -> None: ...
    def clear_threshold(self, channel: int, /) -> None:
        """Removes the comparator of a channel."""
    def _trigger(
        self, value: float, limit: float | None = None, cancel: CancelToken | None = None, /
    ) -> None: ...
    def _inject(self, fault: _Fault, /) -> None: ...
    def clear_faults(self) -> None:
        """Disarms every fault; a disconnected device stays so."""
    def clear_calibration(self, channel: int, /) -> None:
        """Removes the correction of a channel."""
    def _firmware_version(self) -> int: ...
    def _name(self) -> str: ...
    def _behave(
        self, object: object, methods: list[tuple[str | None, str | None, int]], /
    ) -> None: ...
    def _description(self) -> tuple[Any, ...]: ...
    def _find_register(self, name: str, /) -> _Register: ...
    def _read_voltages(
        self,
        values: npt.NDArray[np.uint32],
        volts: npt.NDArray[np.float64],
        limit: float | None = None,
        cancel: CancelToken | None = None,
        /,
    ) -> None: ...
    def _calibrate(
        self,
        channel: int,
        samples: int,
        inl: npt.NDArray[np.float64],
        dnl: npt.NDArray[np.float64],
        limit: float | None,
        cancel: CancelToken | None,
        progress: Callable[[int, int], object] | None,
        /,
    ) -> _Calibration: ...
    def _program_firmware(
        self,
        image: object,
        options: _FirmwareOptions,
        limit: float | None,
        cancel: CancelToken | None,
        progress: Callable[[int, int], object] | None,
        /,
    ) -> None: ...

class Stream:
    def __init__(
        self, device: Device, config: _StreamConfig, channels: npt.NDArray[np.uint32], /
    ) -> None: ...
    def stop(self) -> None:
        """Ends the stream: reads that wait return what is there, later ones nothing."""
    def _status(self) -> _StreamStatus: ...
    def _volts_per_code(self, i: int, /) -> float: ...
    def _start_ns(self) -> int: ...
    def _read(
        self, out: Any, limit: float | None = None, cancel: CancelToken | None = None, /
    ) -> _Block: ...

class Subscription:
    def __init__(
        self, device: Device, kinds: int, queue: int, overflow: int, handler: object, /
    ) -> None: ...
    def close(self) -> None: ...
    def _is_open(self) -> bool: ...
    def _status(self) -> _SubscriptionStatus: ...
    def _next(
        self, count: int, limit: float | None = None, cancel: CancelToken | None = None, /
    ) -> list[Event]: ...

def operation(
    function: Callable[..., _T], /, *arguments: object, **options: object
) -> Coroutine[Any, Any, _T]:
    """The coroutine of function(*arguments, **options), whose last argument is ``cancel``."""
def gil_set_policy(policy: str, /) -> None:
    """Override the declared policies: "auto" (as declared), "release" or "hold"."""
def gil_get_policy() -> Literal["auto", "release", "hold"]:
    """The override in force: "auto", "release" or "hold"."""
def gil_releases() -> int:
    """How often the calling thread has released the GIL in calls of this module."""
def gil_default() -> Literal["release", "hold", "when blocking"]:
    """The policy of everything that none is declared for."""
def gil_declared() -> dict[str, str]:
    """The declared policies by C++ name; every name that is missing has gil_default()."""
def put_back_package() -> None:
    """Puts the modules of the package that this one is part of back into sys.modules."""
def bind_methods(derived: _Class, /) -> _Class: ...
def transaction_get(object: object, address: int, /) -> int: ...
def transaction_set(object: object, address: int, mask: int, value: int, /) -> None: ...
def transaction_set_later(
    object: object, seconds: float, address: int, mask: int, value: int, /
) -> None: ...
def transaction_spend(object: object, seconds: float, /) -> None: ...
def transaction_now_ns(object: object, /) -> int: ...
def transaction_claim(object: object, /) -> int: ...
def check_firmware(image: object, /) -> int: ...
def list_devices() -> list[_Listing]: ...
def wait_free(
    name: str, limit: float | None = None, cancel: CancelToken | None = None, /
) -> None: ...
def operations() -> list[_Operation]: ...
