"""The controls are what they say: right in what the proof does not find wrong with them."""

from __future__ import annotations

import importlib
import queue

import pytest

import controls
from conftest import LIMIT


@pytest.mark.parametrize("name", controls.NAMES)
def test_control_does_its_work(name: str) -> None:
    module = importlib.import_module(controls.build(name))
    assert module.wait(0.001) == 0.001
    with pytest.raises(ValueError, match="0 or more"):
        module.wait(-1)
    numbers: list[int] = []
    source = module.Source(numbers.append)
    assert source.run(3) == 3
    assert numbers == [0, 1, 2]
    source.close()


@pytest.mark.parametrize("name", controls.NAMES)
def test_callback_of_a_native_thread(name: str) -> None:
    module = importlib.import_module(controls.build(name))
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    source = module.Source(numbers.put)
    source.start(2)
    assert [numbers.get(timeout=LIMIT) for _ in range(2)] == [0, 1]
