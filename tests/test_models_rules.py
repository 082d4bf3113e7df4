"""Rules and FIFOs of models: what a device does by itself."""

from __future__ import annotations

import operator
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hwsim
from examples import examples
from hwsim import _kinds, models
from hwsim.errors import InvalidArgument, NotFound
from hwsim.models import (
    ConditionInfo,
    Field,
    FieldInfo,
    Fifo,
    Map,
    Register,
    RegisterInfo,
    RuleInfo,
    above,
    at_start,
    below,
    equal,
    every,
    unequal,
    when_changed,
    when_read,
    when_written,
)

FILES = Path(__file__).parent / "models"
CONVERSION = 20e-6


class Adc(hwsim.Model):
    """A converter with a start bit, a busy flag and a FIFO."""

    class CTRL(Register, at=0x00):
        START = Field(0, pulse=True)
        EN = Field(1)

    class STATUS(Register, at=0x04, access="RO"):
        BUSY = Field(0)
        EMPTY = Field(1)
        LOST = Field(2, access="RW", onwrite="woclr")
        LEVEL = Field(8, 8)

    class DATA(Register, at=0x08, bits=16, access="RO"):
        pass

    class DONE(Register, at=0x0C):
        pass

    samples = Fifo(
        4,
        data=DATA,
        pops=True,
        level=STATUS.LEVEL,
        empty=STATUS.EMPTY,
        overflow=STATUS.LOST,
    )
    rules = (
        when_written(CTRL.START, 1).given(CTRL.EN).set(STATUS.BUSY),
        when_changed(STATUS.BUSY, 1).after(CONVERSION).convert(0, samples),
        when_changed(STATUS.BUSY, 1).after(CONVERSION).clear(STATUS.BUSY),
        when_changed(STATUS.BUSY, 0).increment(DONE),
        when_changed(STATUS.BUSY, 0).event(DONE),
    )


def convert(device: hwsim.Device) -> int:
    device.registers.CTRL.write(3)
    device.registers.STATUS.BUSY.wait(0)
    return device.registers["DATA"].read()


def test_conversion_takes_its_time_and_is_the_sample_of_the_channel() -> None:
    with hwsim.open("hwsim://adc?clock=virtual&latency=1us&seed=3", model=Adc) as device:
        codes = [convert(device) for _ in range(5)]
        assert device.registers.DONE.read() == 5
    with hwsim.open("hwsim://adc?clock=virtual&latency=1us&seed=3", model=Adc) as device:
        expected = [round(device.read_voltage(0) / 10 * 32768) & 0xFFFF for _ in range(5)]
    assert codes == expected


def test_time_of_a_conversion() -> None:
    with hwsim.open("hwsim://adc?clock=virtual&latency=0s", model=Adc) as device:
        convert(device)
        assert device.now == pytest.approx(CONVERSION)


def test_fifo_fills_and_says_what_it_lost() -> None:
    with hwsim.open("hwsim://adc?clock=manual&latency=0s", model=Adc) as device:
        status = device.registers.STATUS
        assert status.EMPTY.read() == 1
        for _ in range(6):
            device.registers.CTRL.write(3)
            device.advance(CONVERSION)
        assert (status.LEVEL.read(), status.LOST.read(), status.EMPTY.read()) == (4, 1, 0)
        status.LOST.write(1)
        assert status.LOST.read() == 0
        for _ in range(4):
            device.registers["DATA"].read()
        assert status.EMPTY.read() == 1


def test_what_rules_do_are_events() -> None:
    with (
        hwsim.open("hwsim://adc?clock=virtual&latency=0s", model=Adc) as device,
        device.events(kinds=["trigger"]) as events,
    ):
        device.registers.CTRL.write(3)
        event = next(iter(events))
        assert (event.kind, event.value) == ("trigger", 1.0)
        assert event.time_s == pytest.approx(CONVERSION)


class Trip(hwsim.Model):
    """Trips if it is on, and measures more than another register says."""

    class CTRL(Register, at=0x00):
        EN = Field(0)
        MODE = Field(4, 3)

    class LEVEL(Register, at=0x04, bits=16):
        pass

    class LIMIT(Register, at=0x06, bits=8, reset=10):
        pass

    class FLAGS(Register, at=0x08):
        OVER = Field(0)
        UNDER = Field(1)
        SET = Field(2)
        MODE = Field(3)

    rules = (
        when_changed(LEVEL, above(LIMIT))
        .given(CTRL.EN)
        .given(CTRL.MODE, unequal(3))
        .set(FLAGS.OVER),
        when_changed(LEVEL, below(-5, signed=True)).set(FLAGS.UNDER),
        when_written(LEVEL, equal(0x0100, mask=0x0F00)).set(FLAGS.SET),
        when_written("CTRL", unequal(0, mask=0x60)).set(FLAGS.MODE),
    )


@pytest.mark.parametrize(
    ("control", "level", "flags"),
    [
        (0, 11, 0),
        (1, 10, 0),
        (1, 11, 1),
        (0x31, 11, 8),  # the mode is 3
        (0x21, 11, 9),
        (0, 0xFFFA, 2),  # -6
        (0, 0xFFFB, 0),  # -5
        (0, 0x7FFF, 0),
        (0, 0xA1BC, 6),
        (0x10, 0x0000, 0),
    ],
)
def test_rule_acts_only_if_all_of_its_conditions_hold(control: int, level: int, flags: int) -> None:
    with hwsim.open("hwsim://trip?latency=0s", model=Trip) as device:
        device.registers.CTRL.write(control)
        device.registers.LEVEL.write(level)
        assert device.registers.FLAGS.read() == flags


COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def signed(value: int, width: int) -> int:
    return value - (1 << width) if value >> (width - 1) else value


@given(
    comparison=st.sampled_from(_kinds.COMPARISONS),
    bits=st.tuples(*[st.sampled_from([8, 16, 32, 64])] * 2),
    values=st.tuples(*[st.integers(0, 2**64 - 1)] * 2),
    near=st.booleans(),
    kind=st.sampled_from(["plain", "signed", "mask"]),
    mask=st.integers(1, 2**64 - 1),
    fixed=st.booleans(),
)
def test_comparisons_are_those_of_python(
    comparison: _kinds.Comparison,
    bits: tuple[int, int],
    values: tuple[int, int],
    near: bool,
    kind: str,
    mask: int,
    fixed: bool,
) -> None:
    a = values[0] % (1 << bits[0])
    b = (a if near else values[1]) % (1 << min(bits) if fixed else 1 << bits[1])
    left, right, of = a, b, 0
    if kind == "signed":
        left, right = signed(a, bits[0]), signed(b, min(bits) if fixed else bits[1])
    elif kind == "mask" and mask % (1 << bits[0]):
        of = mask % (1 << bits[0])
        b &= of if fixed else -1
        left, right = a & of, b & of
    condition = ConditionInfo(
        "A",
        comparison,
        right if fixed else 0,
        None if fixed else "B",
        of,
        kind == "signed",
    )
    entries = Map(
        "compare",
        [
            RegisterInfo("GO", 0, 64, writable=1),
            RegisterInfo("DONE", 8, 64),
            RegisterInfo("A", 16, bits[0], reset_value=a),
            RegisterInfo("B", 24, bits[1], reset_value=b % (1 << bits[1])),
        ],
        rules=[RuleInfo("written", "set", "GO", (condition,), target="DONE", value=1)],
    )
    with hwsim.open("hwsim://compare?latency=0s", model=entries) as device:
        assert device.map.rules == entries.rules
        device[0] = 1
        assert device[8] == COMPARE[comparison](left, right)


def test_conditions_that_cannot_be_are_refused() -> None:
    register = RegisterInfo("A", 0, 8, writable=255)

    def refuse(said: str, *conditions: ConditionInfo, when: _kinds.When = "written") -> None:
        rule = RuleInfo(when, "set", "A", conditions, target="A", value=1)
        with pytest.raises(InvalidArgument, match=said):
            Map("x", [register], rules=[rule])

    refuse(
        "rule 0 of the model: the value of a condition does not fit into A",
        ConditionInfo(value=256),
    )
    refuse("does not fit into A", ConditionInfo(value=128, signed=True))
    refuse("value must be from 0 to .*, got -1", ConditionInfo(value=-1))
    refuse("comparison must be one of == != < <= > >=: '='", ConditionInfo(None, "="))  # type: ignore[arg-type]
    refuse("there is no register or field LIMIT", ConditionInfo("A", "<", than="LIMIT"))
    refuse("nothing is written or changes", ConditionInfo(value=1), when="read")
    refuse("must have up to 16 conditions, got 17", *[ConditionInfo("A")] * 17)


def test_map_says_its_rules() -> None:
    conditions = (ConditionInfo(None, "==", 1), ConditionInfo("CTRL.EN", "==", 1))
    assert Adc.map.rules[0] == RuleInfo(
        "written", "set", "CTRL.START", conditions, target="STATUS.BUSY", value=1
    )
    assert Adc.map.fifos[0].level == "STATUS.LEVEL"


def test_model_adds_rules_to_a_file() -> None:
    class Counting(hwsim.Model):
        source = FILES / "relay.yaml"
        rules = (when_written("STATE").copy("LOCK.KEY"), when_read("STATE").increment("STATE"))

    with hwsim.open("hwsim://relay?latency=0s", model=Counting) as device:
        device.registers.STATE.write(255)
        assert [device.registers.STATE.read() for _ in range(3)] == [255, 0, 1]


def test_rules_and_fifos_are_in_yaml(tmp_path: Path) -> None:
    path = tmp_path / "adc.yaml"
    path.write_text(models.yaml_of(Adc.map), encoding="utf-8")
    copy = models.load(path)
    assert (copy.rules, copy.fifos) == (Adc.map.rules, Adc.map.fifos)
    results = []
    for model in (Adc, copy):
        with hwsim.open("hwsim://adc?clock=virtual&seed=3", model=model) as device:
            results.append([convert(device) for _ in range(3)])
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{when: written}", r"rules\.0: 'then' is a required property"),
        ("{when: sometimes, then: set}", r"rules\.0\.when: 'sometimes' is not one of"),
        ("{when: written, then: set, on: A, target: B}", "no register or field B"),
    ],
)
def test_rule_in_yaml_that_makes_no_sense_is_refused(rule: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        f"{{hwsim: 1, name: x, registers: {{A: {{address: 0}}}}, rules: [{rule}]}}",
        encoding="utf-8",
    )
    with pytest.raises((InvalidArgument, NotFound), match=said):
        hwsim.open("hwsim://x", model=path)


def test_schema_has_the_words_of_rules() -> None:
    rule = models.schema()["$defs"]["rule"]["properties"]
    words = [tuple(rule[name]["enum"]) for name in ("when", "then", "code")]
    assert words == [_kinds.WHENS, _kinds.THENS, _kinds.CODES_OF_RULES]
    assert tuple(rule) == RuleInfo._fields
    assert tuple(models.schema()["$defs"]["fifo"]["properties"]) == models.FifoInfo._fields[1:]


def test_rules_by_the_time() -> None:
    class Ticker(hwsim.Model):
        class TICKS(Register, at=0):
            pass

        class READY(Register, at=4):
            pass

        rules = (every(1e-3, jitter=1e-4).increment(TICKS), at_start().after(0.05).set(READY))

    with hwsim.open("hwsim://ticker?clock=virtual&latency=0s", model=Ticker) as device:
        device.wait_register(4, 1, 1)
        assert device.now == pytest.approx(0.05)
        assert 49 <= device.registers.TICKS.read() <= 50
    with pytest.raises(InvalidArgument, match="would act every 9e-08 s of real time"):
        hwsim.open("hwsim://ticker?clock=10000x", model=Ticker)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (when_written("A").set("NONE"), "rule 0 of the model: there is no register or field NONE"),
        (when_written("A").set("B", 256), "needs a target that its value fits into"),
        (when_written("A").set("B", -1), "rule 0: value must be from 0"),
        (when_written("A").after(1e-9).set("B"), "delay must be 0, or from 1 us to 1 h"),
        (when_changed("B").increment("B"), "sets itself off without a delay"),
        (when_changed("B").copy("A"), "nothing is written that it could use"),
        (when_written("A").after(1e9).set("B"), "delay and jitter must be from 0 to 3600"),
    ],
)
def test_rule_that_makes_no_sense_is_refused(rule: models.Rule, said: str) -> None:
    class Bad(hwsim.Model):
        class A(Register, at=0):
            pass

        class B(Register, at=4, bits=8):
            pass

        rules = (rule,)

    with pytest.raises(InvalidArgument, match=said):
        assert Bad.map


def results(threads: int) -> list[int]:
    """What 32 streams of conversions see, by however many threads they are run."""
    from concurrent.futures import ThreadPoolExecutor

    def one(number: int) -> int:
        uri = f"hwsim://adc{number}?clock=virtual&latency=1us&seed={number}"
        with hwsim.open(uri, model=Adc) as device:
            return sum(convert(device) for _ in range(20))

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(32)))


def test_results_are_those_of_the_seed_on_any_number_of_threads() -> None:
    expected = results(1)
    for threads in (2, 8, 32):
        assert results(threads) == expected


# ----------------------------------------------------------------------------- a small reference

KINDS = st.sampled_from(["", "woset", "woclr", "wot", "wzs", "wzc", "wzt", "wclr", "wset"])
FIELDS = st.tuples(
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "rclr", "rset"]),
    KINDS,
    st.booleans(),
    st.booleans(),
)


class Reference:
    """A register whose eight fields have four bits each."""

    def __init__(self, fields: list[tuple[bool, bool, str, str, bool, bool]], reset: int) -> None:
        self.fields, self.held = fields, [reset >> 4 * i & 15 for i in range(8)]
        self.locked = [False] * 8

    def read(self) -> int:
        shown = 0
        for i, (readable, _, onread, *_) in enumerate(self.fields):
            shown |= (self.held[i] if readable else 0) << 4 * i
            self.held[i] = {"": self.held[i], "rclr": 0, "rset": 15}[onread]
        return shown

    def write(self, value: int) -> None:
        for i, (_, writable, _, onwrite, pulse, once) in enumerate(self.fields):
            new, held = value >> 4 * i & 15, self.held[i]
            effect = {
                "": new,
                "woset": held | new,
                "woclr": held & ~new,
                "wot": held ^ new,
                "wzs": held | (~new & 15),
                "wzc": held & new,
                "wzt": held ^ (~new & 15),
                "wclr": 0,
                "wset": 15,
            }[onwrite]
            if writable and not self.locked[i]:
                self.held[i] = effect
            self.locked[i] |= once
            if pulse:
                self.held[i] = 0


@examples
@given(
    st.lists(FIELDS, min_size=8, max_size=8),
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 2**32 - 1), max_size=12),
)
def test_fields_do_what_a_small_reference_does(
    fields: list[tuple[bool, bool, str, str, bool, bool]], reset: int, writes: list[int]
) -> None:
    infos = tuple(
        FieldInfo(f"F{i}", 4 * i, 4, *field[:2], *field[2:4], *field[4:])  # type: ignore[arg-type]
        for i, field in enumerate(fields)
    )
    entries = Map("random", [RegisterInfo("R", 0, reset_value=reset, fields=infos)])
    reference = Reference(fields, reset)
    with hwsim.open("hwsim://reference?latency=0s", model=entries) as device:
        for value in writes:
            if value % 3 == 0:
                assert device[0] == reference.read()
            device[0] = value
            reference.write(value)
        assert device[0] == reference.read()


@examples
@given(st.integers(1, 8), st.lists(st.integers(0, 2), max_size=60), st.randoms())
def test_fifo_does_what_a_list_does(
    depth: int, steps: list[int], randomness: random.Random
) -> None:
    class Queue(hwsim.Model):
        class IN(Register, at=0):
            pass

        class OUT(Register, at=4, access="RO"):
            pass

        class LEVEL(Register, at=8, access="RO"):
            pass

        class LOST(Register, at=12):
            pass

        values = Fifo(depth, data=OUT, pops=True, level=LEVEL, overflow=LOST)
        rules = (when_written(IN).push(values),)

    expected: list[int] = []
    lost = shown = 0
    with hwsim.open("hwsim://fifo?latency=0s", model=Queue) as device:
        for step in steps:
            if step:
                value = randomness.randrange(2**32)
                device[0] = value
                if len(expected) < depth:
                    expected.append(value)
                else:
                    lost = 1
                shown = expected[0]
            else:
                assert device[4] == shown
                if expected:
                    expected.pop(0)
                shown = expected[0] if expected else shown
            assert (device[8], device[12]) == (len(expected), lost)


def test_large_model_opens_at_once() -> None:
    """Outcome, not speed: benchmarks/models.py has that."""
    entries = Map("large", [RegisterInfo(f"R{i}", 4 * i, writable=255) for i in range(10_000)])
    with hwsim.open("hwsim://large?latency=0s", model=entries) as device:
        device.write_block(0, np.arange(10_000) % 256)
        assert device.read_block(0, 10_000).tolist() == [i % 256 for i in range(10_000)]
