"""Rules on registers with a role: what the device itself has to do with."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import hwsim
from examples import examples
from hwsim import _kinds, models
from hwsim.errors import CRCError, InvalidArgument
from hwsim.models import (
    ConditionInfo,
    Field,
    Map,
    Output,
    Register,
    RegisterInfo,
    RuleInfo,
    above,
    at_least,
    at_start,
    every,
    when_changed,
    when_read,
    when_written,
)
from test_models_rules import COMPARE


class Source(hwsim.Model):
    """Puts out a voltage, measures it, and trips."""

    channels = 1

    class CONTROL(Register, at=0x00, reset=1, role="converters"):
        ON = Field(0, reset=1)

    class STATUS(Register, at=0x04, access="RO", role="status"):
        READY = Field(0)
        EVENT = Field(1)

    class MASK(Register, at=0x08, role="event_mask"):
        pass

    class EVENTS(Register, at=0x0C, role="event_status"):
        FAULT = Field(0, onwrite="woclr")
        TRIGGER = Field(3, onwrite="woclr")

    class MS(Register, at=0x10, access="RO", role="uptime"):
        pass

    class FAULTS(Register, at=0x14, access="RC", role="fault_count"):
        pass

    class COMMAND(Register, at=0x18, access="WO", role="command"):
        RESET = Field(0)

    class DAC(Register, at=0x20, bits=16):
        pass

    class ADC(Register, at=0x22, bits=16, access="RO"):
        pass

    class LIMIT(Register, at=0x24, bits=16, reset=0x4000):
        pass

    class TRIPPED(Register, at=0x28, access="RO"):
        """When, in milliseconds."""

    class KICK(Register, at=0x2C):
        """To be written every 50 ms."""

    class ASKED(Register, at=0x30, access="RO"):
        """How often STATUS has been read."""

    output = Output(DAC)
    rules: ClassVar[tuple[models.Rule, ...]] = (
        every(1e-3).given(STATUS.READY).convert(0, ADC),
        when_changed(ADC, above(LIMIT, signed=True)).copy(TRIPPED, MS),
        when_changed(TRIPPED).clear(DAC),
        when_changed(TRIPPED, at_least(1)).clear(CONTROL.ON),
        when_changed(EVENTS.FAULT, 1).clear(DAC),
        when_written(KICK).after(50e-3).set(COMMAND.RESET),
        when_read(STATUS).increment(ASKED),
        at_start().set(MASK, 8),
    )


def test_trip_at_a_measured_voltage_cuts_the_output() -> None:
    uri = "hwsim://source?clock=virtual&latency=0s&noise=0V"
    with hwsim.open(uri, model=Source) as source:
        source.connect(0, 0, tau=10e-3)
        source.set_output(0, 8.0)  # comes to 5 V after 9.8 ms
        source.wait_register(0x28, 0xFFFFFFFF, 10)
        assert source.now == pytest.approx(10e-3)
        assert source.output(0) == 0.0
        assert source.registers.STATUS.READY.read() == 0
        source.registers.CONTROL.ON.write(1)
        source.wait_register(0x10, 0xFFFF, 15)
        assert source.registers.TRIPPED.read() == 10


def test_faults_watchdog_and_accesses_set_rules_off() -> None:
    with hwsim.open("hwsim://source?clock=manual&latency=0s", model=Source) as source:
        source.set_output(0, 3.0)
        source.inject("crc")
        with pytest.raises(CRCError):
            source.registers.LIMIT.read()
        assert source.output(0) == 0.0
        source.trigger()
        assert source.registers.STATUS.EVENT.read() == 1
        assert source.registers.ASKED.read() == 1
        source.registers.KICK.write(1)
        source.advance(49e-3)
        source.registers.KICK.write(1)
        source.advance(49e-3)
        assert source.registers.KICK.read() == 1
        source.advance(2e-3)
        assert source.registers.KICK.read() == 0
        assert source.registers.MS.read() == 1
        assert source.registers.MASK.read() == 8


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            when_changed("STATUS.READY").set("DAC"),
            "rule 0 of the model: STATUS.READY has the role status: it is made up when it is read",
        ),
        (when_read("STATUS").set("MS"), "MS has the role uptime: the device itself says what"),
        (when_read("STATUS").increment("MS"), "MS has the role uptime: the device itself says"),
        (when_read("STATUS").copy("DAC", "COMMAND"), "COMMAND has the role command: it is a comm"),
        (when_read("STATUS").given("COMMAND").set("DAC"), "COMMAND has the role command: it is a"),
        (when_changed("EVENTS.TRIGGER").event(), "sets itself off without a delay"),
        (at_start().set("COMMAND"), "sets itself off without a delay"),
    ],
)
def test_rule_without_a_meaning_is_refused(rule: models.Rule, said: str) -> None:
    class Bad(Source):
        rules = (rule,)

    with pytest.raises(InvalidArgument, match=said):
        assert Bad.map


def test_output_follows_no_register_with_a_role() -> None:
    class Bad(Source):
        other = Output(Source.CONTROL)

    with pytest.raises(InvalidArgument, match="CONTROL has the role converters: a FIFO or an outp"):
        assert Bad.map


def test_forms_of_a_model_say_its_roles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "source.yaml"
    path.write_text(models.yaml_of(Source.map), encoding="utf-8")
    copy = models.load(path)
    assert copy.rules == Source.map.rules
    assert [one.role for one in copy.registers.values()] == [
        one.role for one in Source.map.registers.values()
    ]
    from hwsim.cli import main

    for form in ([], ["--as", "c"], ["--as", "markdown"]):
        main(["info", str(path), *form])
        text = capsys.readouterr().out
        assert "EVENTS" in text and "event_status" in text
        assert "COMMAND.RESET = 1" in text


# ------------------------------------------------------------------------------- random models

NAMES = ("A", "B", "MASK", "EVENTS", "FAULTS", "STATUS", "MS", "COMMAND")
REGISTERS = [
    RegisterInfo("A", 0, writable=0xFFFFFFFF),
    RegisterInfo("B", 4, writable=0xFFFFFFFF),
    RegisterInfo("MASK", 8, writable=0x3F, role="event_mask"),
    RegisterInfo("EVENTS", 12, access="W1C", writable=0x3F, role="event_status"),
    RegisterInfo("FAULTS", 16, access="RC", role="fault_count"),
    RegisterInfo("STATUS", 20, access="RO", role="status"),
    RegisterInfo("MS", 24, access="RO", role="uptime"),
    RegisterInfo("COMMAND", 28, access="WO", writable=1, role="command"),
]
ADDRESS = {one.name: one.address for one in REGISTERS}
WRITABLE = ("A", "B", "MASK", "EVENTS", "COMMAND")
READABLE = NAMES[:-1]
HELD = ("A", "B", "MASK", "EVENTS", "FAULTS")
WHENS: tuple[_kinds.When, ...] = ("written", "read", "changed", "started")
THENS: tuple[_kinds.Then, ...] = ("set", "copy", "add", "event")
SMALL = st.integers(0, 9)


@st.composite
def rules(draw: st.DrawFn) -> RuleInfo:
    when = draw(st.sampled_from(WHENS))
    on = {"written": WRITABLE, "read": READABLE, "changed": HELD}.get(when)
    conditions = []
    if when in ("written", "changed") and draw(st.booleans()):
        conditions.append(
            ConditionInfo(None, draw(st.sampled_from(_kinds.COMPARISONS)), draw(SMALL))
        )
    if draw(st.booleans()):
        part, comparison = (
            draw(st.sampled_from(READABLE)),
            draw(st.sampled_from(_kinds.COMPARISONS)),
        )
        conditions.append(ConditionInfo(part, comparison, draw(SMALL)))
    then = draw(st.sampled_from(THENS))
    target = source = None
    if then != "event":
        target = draw(st.sampled_from(HELD if then == "add" else (*HELD, "COMMAND")))
    if then == "copy":
        source = draw(st.sampled_from(READABLE))
    value = draw(SMALL) if then in ("set", "add") else 0
    return RuleInfo(
        when,
        then,
        draw(st.sampled_from(on)) if on else None,
        tuple(conditions),
        target=target,
        source=source,
        value=value,
    )


class Reference:
    """A device that has these registers and rules without delays."""

    def __init__(self, rules: list[RuleInfo]) -> None:
        self.rules, self.ms = rules, 0
        self.reset()

    def reset(self) -> None:
        self.held = dict.fromkeys(HELD, 0)
        self.soon: dict[int, int] = {}
        self.reset_ms = self.ms
        self.set_off("started", None, 0)

    def shows(self, name: str) -> int:
        if name == "STATUS":
            return 1 + 2 * bool(self.held["EVENTS"] & self.held["MASK"])
        return self.ms - self.reset_ms if name == "MS" else self.held[name]

    def holds(self, one: ConditionInfo, value: int) -> bool:
        held = self.shows(one.part) if one.part else value
        return bool(COMPARE[one.comparison](held, one.value))

    def set_off(self, when: str, on: str | None, value: int, soon: bool = False) -> None:
        for number, rule in enumerate(self.rules):
            if (rule.when, rule.on) != (when, on):
                continue
            if not all(self.holds(each, value) for each in rule.conditions):
                continue
            if soon:
                self.soon.pop(number, None)
                self.soon[number] = value
            else:
                self.act(rule)

    def act(self, rule: RuleInfo) -> None:
        if rule.then == "event":
            self.latch("EVENTS", self.held["EVENTS"] | 8)
            return
        assert rule.target
        value = self.shows(rule.source) if rule.source else rule.value
        if rule.then == "add":
            value += self.held[rule.target]
        self.change(rule.target, value % 2**32)

    def change(self, name: str, value: int) -> None:
        if name == "COMMAND":
            if value & 1:
                self.reset()
        elif self.held[name] != value:
            self.held[name] = value
            self.set_off("changed", name, value)

    def latch(self, name: str, value: int) -> None:
        changes = self.held[name] != value
        self.held[name] = value
        if changes:
            self.set_off("changed", name, value, soon=True)

    def settle(self) -> None:
        while self.soon:
            number = next(iter(self.soon))
            del self.soon[number]
            self.act(self.rules[number])

    # What operations do.

    def write(self, name: str, value: int) -> None:
        held = self.held.get(name, 0)
        kept = {"MASK": value & 0x3F, "EVENTS": held & ~(value & 0x3F)}
        self.change(name, kept.get(name, value))
        self.set_off("written", name, value)

    def read(self, name: str) -> int:
        value = self.shows(name)
        if name == "FAULTS":
            self.change(name, 0)
        self.set_off("read", name, 0)
        return value

    def trigger(self) -> None:
        self.latch("EVENTS", self.held["EVENTS"] | 8)

    def fail(self) -> None:
        self.latch("EVENTS", self.held["EVENTS"] | 1)
        self.latch("FAULTS", self.held["FAULTS"] + 1)


STEPS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(WRITABLE), SMALL),
    st.tuples(st.just("read"), st.sampled_from(READABLE), st.just(0)),
    st.tuples(st.sampled_from(["trigger", "fail", "advance"]), st.just(""), st.just(0)),
)


def do(device: hwsim.Device, reference: Reference, step: tuple[str, str, int]) -> None:
    """The same to both."""
    what, name, value = step
    if what == "advance":
        device.advance(1e-3)
        reference.ms += 1
    elif what == "write":
        device[ADDRESS[name]] = value
        reference.write(name, value)
    elif what == "read":
        assert device[ADDRESS[name]] == reference.read(name), step
    elif what == "trigger":
        device.trigger()
        reference.trigger()
    else:
        device.inject("crc")
        with pytest.raises(CRCError):
            device.read_register(0)
        reference.fail()
    reference.settle()


@examples
@given(st.lists(rules(), min_size=1, max_size=6), st.lists(STEPS, max_size=25))
def test_rules_do_what_a_small_reference_does(
    rules: list[RuleInfo], steps: list[tuple[str, str, int]]
) -> None:
    try:
        entries = Map("random", REGISTERS, rules=rules)
    except InvalidArgument as error:
        assert "sets itself off without a delay" in str(error)
        assume(False)
    reference = Reference(rules)
    with hwsim.open("hwsim://reference?clock=manual&latency=0s", model=entries) as device:
        reference.settle()
        for step in steps:
            do(device, reference, step)
        for name in READABLE:
            do(device, reference, ("read", name, 0))
