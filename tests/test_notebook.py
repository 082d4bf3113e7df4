"""What notebooks show and complete: tables, keys, signatures, and nothing of SWIG's own."""

from __future__ import annotations

import html.parser
import importlib.util
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import hwsim
from conftest import LIMIT, OpenDevice, in_thread, parallelize, run_script
from hwsim import _native
from hwsim.models.maps import Map, RegisterInfo
from hwsim.registers import Registers
from hwsim.stream import SHOWN

NATIVE: tuple[Any, ...] = (
    _native.CancelToken,
    _native.Device,
    _native.Stream,
    _native.Subscription,
)
needs_ipython = pytest.mark.skipif(
    importlib.util.find_spec("IPython") is None, reason="IPython is not installed"
)


class Text(html.parser.HTMLParser):
    """The text of a page, and that each of its tags is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data)


def shown(item: Any) -> list[str]:
    """The cells of what a notebook shows."""
    return Text(item._repr_html_()).text


# ----------------------------------------------------------------------------------- tables


def test_device_shows_its_settings_and_whether_it_is_open(open_device: OpenDevice) -> None:
    device = open_device("latency=2ms&rate=5kHz&channels=3&seed=9&clock=10x")
    cells = shown(device)
    assert cells[0] == f"hwsim.Device {device.name}, open"
    table = dict(zip(cells[1::2], cells[2::2], strict=True))
    assert table["resource string"] == device.uri
    assert table["opened"] == device.opener
    assert [table[key] for key in ("latency", "sample rate", "channels", "seed", "clock")] == [
        "0.002 s",
        "5000 Hz",
        "3",
        "9",
        "10x",
    ]
    device.close()
    assert shown(device)[0] == f"hwsim.Device {device.name}, closed"


def test_text_is_escaped(name: str) -> None:
    """A cell of a notebook is a file like this one."""
    space: dict[str, Any] = {"hwsim": hwsim, "uri": f"hwsim://{name}"}
    exec(compile("device = hwsim.open(uri)", "<cell & '1'>", "exec"), space)
    page = space["device"]._repr_html_()
    assert "&lt;cell &amp; &#x27;1&#x27;&gt;:1" in page
    assert "at <cell & '1'>:1, in the thread MainThread" in shown(space["device"])
    space["device"].close()


def test_registers_show_all_of_them_escaped_and_read_none(open_device: OpenDevice) -> None:
    device = open_device()
    cells = shown(device.registers)
    assert cells[0] == f"Registers of {device.name}"
    assert [name for name in device.registers if name not in cells] == []
    assert device.transactions == 0
    odd = RegisterInfo("<ODD>", 4, writable=255, description="a < b & c")
    page = Registers(device, Map("odd", [odd]))._repr_html_()
    assert ("&lt;ODD&gt;" in page, "a &lt; b &amp; c" in page, "<ODD>" in page) == (
        True,
        True,
        False,
    )
    device.close()
    assert shown(device.registers) == cells


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_block_shows_each_column_in_volts(dtype: Any, open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=virtual")
    for channel, volts in ((0, 1.25), (1, -2.5)):
        device.set_signal(channel, "dc", offset=volts, noise=0)
    block = device.stream(1000, channels=(0, 1), dtype=dtype).read(100)
    title, *cells = shown(block)
    assert title == f"hwsim.Block from index 0, shape (100, 2), {dtype}, 1000 Hz"
    assert cells[:4] == ["lowest", "mean", "highest", "column 0"]
    values = [float(cell.removesuffix(" V")) for cell in cells[4:7] + cells[8:]]
    assert values == pytest.approx([1.25] * 3 + [-2.5] * 3, abs=2e-4)


def test_block_that_is_empty_or_large_is_shown_as_well(open_device: OpenDevice) -> None:
    stream = open_device("latency=0s&clock=virtual").stream(1000, total=5)
    stream.read(5)
    assert shown(stream.read(5))[0] == "hwsim.Block from index 5, shape (0, 1), int16, 1000 Hz"
    large = np.broadcast_to(np.zeros((1, 1), np.int16), (100 * SHOWN, 1))
    block = hwsim.Block(large, 7, 12, 1e6, np.ones(1))
    assert shown(block)[0].endswith(", 12 lost before it, of the first 1,048,576 samples")


def test_calibration_shows_its_results(open_device: OpenDevice) -> None:
    device = open_device("latency=0s&clock=virtual&noise=1mV")
    result = device.calibrate(0, samples=2**18)
    cells = shown(result)
    assert cells[0] == "hwsim.Calibration"
    assert f"{result.enob:.2f}" in cells
    assert f"{result.sinad:.2f} dB" in cells


@pytest.mark.parametrize("show", [repr, lambda item: item._repr_html_(), dir])
def test_what_is_not_initialised_is_shown(show: Callable[[object], object]) -> None:
    assert show(hwsim.Device.__new__(hwsim.Device))


def test_device_is_shown_while_it_is_busy(open_device: OpenDevice) -> None:
    """In any thread, and without a turn on the bus."""
    device = open_device("clock=manual&latency=1s")
    read = in_thread(lambda: device.read_voltage(0, timeout=math.inf))
    device.wait_pending(1)
    pages = parallelize(lambda _: device._repr_html_() + device.registers._repr_html_(), 4)
    assert len(set(pages)) == 1
    assert device.transactions == 1
    device.advance(1)
    read.result(LIMIT)


def test_device_is_shown_in_a_forked_child() -> None:
    script = """
        import os, hwsim
        device = hwsim.open("hwsim://x")
        child = os.fork()
        if not child:
            assert "closed" in device._repr_html_()
            assert "SCRATCH0" in device.registers._repr_html_()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """
    run_script(script).check()


# ------------------------------------------------------------------------------------- keys


def test_keys_are_those_that_can_be_used(open_device: OpenDevice) -> None:
    device = open_device()
    names = device.registers._ipython_key_completions_()
    assert names == list(device.registers)
    addresses = device._ipython_key_completions_()
    assert addresses == [device.registers[name].address for name in names]
    device.close()
    assert device._ipython_key_completions_() == addresses
    assert hwsim.Device.__new__(hwsim.Device)._ipython_key_completions_() == []


@needs_ipython
def test_ipython_completes_keys() -> None:
    """It looks at no property, and at no class with a ``__getattribute__`` of its own."""
    script = """
        import hwsim
        from IPython.core.completer import provisionalcompleter
        from IPython.core.interactiveshell import InteractiveShell

        device = hwsim.open("hwsim://x")
        shell = InteractiveShell.instance()
        shell.user_ns["device"] = device
        shell.Completer.use_jedi = False  # it needs to know the version of Python
        for text in (
            'device.registers["CON', "device.registers['EVENT_", "device[1", "device[0x4",
            "device.th", "device.set_th",
        ):
            with provisionalcompleter():
                found = shell.Completer.completions(text, len(text))
                print([each.text.lstrip(".") for each in found])
        print(device.transactions)
    """
    assert run_script(script).stdout.splitlines() == [
        "['CONTROL']",
        "['EVENT_MASK', 'EVENT_STATUS']",
        "['100', '12', '16']",
        "['0x4', '0x40', '0x44', '0x48', '0x4c']",
        "[]",
        "['set_threshold']",
        "0",
    ]


def test_registers_cannot_be_set(open_device: OpenDevice) -> None:
    device: Any = open_device()
    with pytest.raises(AttributeError, match="write to one by its name"):
        device.registers = {}
    assert hwsim.Device.registers.__doc__


# ------------------------------------------------------------------------------- signatures

METHODS = [
    (f"{cls.__name__}.{name}", method)
    for cls in NATIVE
    for name, method in vars(cls).items()
    if callable(method)
]
FUNCTIONS = [
    (name, each)
    for name, each in vars(_native).items()
    if callable(each) and not isinstance(each, type)
]


@pytest.mark.parametrize(("name", "function"), METHODS + FUNCTIONS, ids=lambda each: str(each))
def test_native_function_has_a_signature(name: str, function: Any) -> None:
    parameters = list(inspect.signature(function).parameters)
    assert "." not in name or parameters[0] == "self"
    if not name.split(".")[-1].startswith("__"):
        assert function.__text_signature__
        assert not (function.__doc__ or "").startswith(function.__name__)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (hwsim.Device.advance, "(self, seconds, /)"),
        (hwsim.Device.cancel, "(self, /)"),
        (hwsim.Device.read_register, "(self, /, address, *, timeout=None, cancel=None)"),
        (hwsim.Stream.stop, "(self, /)"),
        (hwsim.CancelToken, "() -> 'None'"),
        (_native.Device._read_block, "(self, address, values, limit=None, cancel=None, /)"),
        (_native.Stream._read, "(self, out, limit=None, cancel=None, /)"),
        (_native.wait_free, "(name, limit=None, cancel=None, /)"),
    ],
)
def test_signature_is_that_of_the_call(call: Any, expected: str) -> None:
    assert str(inspect.signature(call)) == expected


@pytest.mark.parametrize("name", [name for name in dir(hwsim.Device) if name[0] != "_"])
def test_public_attribute_of_a_device_is_documented(name: str) -> None:
    assert (getattr(hwsim.Device, name).__doc__ or "").strip()


# -------------------------------------------------------------------------------- internals


@pytest.mark.parametrize("cls", [hwsim.CancelToken, hwsim.Device, hwsim.Stream, hwsim.Subscription])
def test_nothing_of_swig_can_be_seen(cls: type) -> None:
    names = {"this", "thisown", "acquire", "append", "disown", "next", "own", "__int__"}
    assert names.isdisjoint(dir(cls))


def test_device_is_no_number(open_device: OpenDevice) -> None:
    device: Any = open_device()
    for convert in (int, float, hex, range):
        with pytest.raises(TypeError):
            convert(device)
    with pytest.raises(AttributeError):
        _ = device.this


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda d: d, "<hwsim.Device '"),
        (lambda d: d.registers, "<hwsim.Registers of '"),
        (lambda d: d.registers["ID"], "<hwsim.Register ID at 0x"),
        (lambda d: d.stream(10), "<hwsim.Stream of '"),
        (lambda d: d.stream(1e9).read(3), "<hwsim.Block from index 0, shape (3, 1), int16"),
        (lambda d: d.events(), "<hwsim.Subscription to "),
        (lambda d: d.signal(0), "Signal(waveform="),
        (lambda d: hwsim.CancelToken(), "<hwsim.CancelToken, not cancelled>"),
        (lambda d: hwsim.operations()[0], "Operation(noun="),
        (lambda d: hwsim.list_devices()[0], "DeviceInfo(name="),
    ],
)
def test_repr_says_what_it_is(
    make: Callable[[hwsim.Device], object], expected: str, open_device: OpenDevice
) -> None:
    text = repr(make(open_device()))
    assert text.startswith(expected)
    assert len(text) < 600
