"""What the tests of streams have in common: a signal of known samples, and blocks in short."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import numpy.typing as npt

import hwsim
from hwsim.stream import OverrunPolicy as Policy
from hwsim.stream import SampleType

MANUAL = "latency=0s&clock=manual&timeout=inf"
VIRTUAL = "latency=0s&clock=virtual"
RAMP = 32768  # samples of the ramp, each its own code
POLICIES: tuple[Policy, ...] = get_args(Policy)
DTYPES: tuple[SampleType, ...] = get_args(SampleType)


def connect_ramp(device: hwsim.Device, rate: float = 1000) -> None:
    """Makes the code of sample n on channel 0 the number n % 32768, for streams of this rate."""
    device.set_signal(0, np.arange(RAMP) * (1 / 32768), noise=0, range=1, rate=rate)


def ramp(first_index: int, count: int) -> npt.NDArray[np.int64]:
    return (first_index % RAMP + np.arange(count)) % RAMP


def codes(block: hwsim.Block) -> list[int]:
    """The codes of channel 0."""
    return block.data[:, 0].tolist()  # type: ignore[no-any-return]


def partial_of(error: hwsim.HwsimError) -> hwsim.Block:
    assert isinstance(error.partial, hwsim.Block)
    return error.partial


def whole(device: hwsim.Device, count: int, **options: Any) -> Any:
    """The samples of a new stream in one read, on a virtual clock."""
    return device.stream(1e6, buffer=2**40, **options).read(count).data
