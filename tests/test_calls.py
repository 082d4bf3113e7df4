"""The calls of the tests and the table of operations agree: what is new in the table is tested."""

from __future__ import annotations

import pytest

import hwsim
from calls import CALLS, OPERATION, PARTS, TABLE
from conftest import OpenDevice
from hwsim import Operation, operations
from hwsim.errors import DeviceTimeout, OperationCancelled

# What takes timeout= and cancel=.
WAITING = [op for op in operations() if op.waits in ("when blocking", "computes")]
waiting = pytest.mark.parametrize("op", WAITING, ids=lambda op: f"{op.noun}.{op.name}")
# Opening and closing have tests of their own; the power-on signal has no method in Python.
NO_CALLS = {"open", "close", "default_signal"}


def test_every_operation_on_a_device_has_a_call() -> None:
    assert set(TABLE) - {op.name for op in OPERATION.values()} == NO_CALLS


@waiting
def test_operation_that_waits_can_be_cancelled_and_is_named(
    op: Operation, open_device: OpenDevice
) -> None:
    """With the name that it has in the table."""
    token = hwsim.CancelToken()
    token.cancel()
    with pytest.raises(OperationCancelled) as caught:
        {**CALLS, **PARTS}[op.name](open_device(), cancel=token)
    assert caught.value.operation == op.name


@waiting
def test_operation_that_waits_can_time_out_and_is_named(
    op: Operation, open_device: OpenDevice
) -> None:
    with pytest.raises(DeviceTimeout) as caught:
        {**CALLS, **PARTS}[op.name](open_device("latency=1s&clock=virtual"), timeout=0)
    assert caught.value.operation == op.name
