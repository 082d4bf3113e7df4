"""Models: classes, files, and what a device makes of them."""

from __future__ import annotations

import enum
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hwsim
from conftest import run_script
from hwsim import cli, models
from hwsim.errors import AccessError, AddressError, InvalidArgument, NotFound
from hwsim.models import (
    Block,
    Field,
    FieldInfo,
    Fifo,
    Map,
    Memory,
    MemoryInfo,
    Output,
    Register,
    RegisterInfo,
    above,
    every,
    on_write,
    when_written,
)

ByteOrder = Literal["little", "big"]
FILES = Path(__file__).parent / "models"


class Mode(enum.IntEnum):
    CV = 0
    CC = 1


class Supply(hwsim.Model):
    """A power supply."""

    channels = 2

    class CTRL(Register, at=0x00):
        """Control."""

        EN = Field(0, description="output on")
        MODE = Field(1, 2, enum=Mode, reset=1)
        CLEAR = Field(7, pulse=True)

    class STATUS(Register, at=0x04, access="RO"):
        TRIP = Field(0, access="RW", onwrite="woclr", reset=1)
        COUNT = Field(8, 8, onread="rclr", reset=3)

    class LIMIT(Register, at=0x08, bits=16, reset=100):
        pass

    class CH(Block, at=0x100, count=2, stride=0x10):
        class GAIN(Register, at=0x00, bits=64):
            pass

        class TABLE(Register, at=0x08, bits=8, count=4):
            pass

    class RAM(Memory, at=0x1000, words=16, bits=8):
        """Notes."""


# There is no reader of SystemRDL for a Python without a GIL.
needs_rdl = pytest.mark.skipif(find_spec("systemrdl") is None, reason="no systemrdl-compiler")


def load(name: str) -> Map:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return models.load(str(FILES / name))


# -------------------------------------------------------------------------------------- classes


def test_class_says_its_map() -> None:
    entries = Supply.map
    assert entries is Supply.map
    assert (entries.name, entries.description, entries.channels) == ("supply", "A power supply.", 2)
    assert list(entries.registers)[:3] == ["CTRL", "STATUS", "LIMIT"]
    assert [name for name in entries.registers if name.startswith("CH[1]")] == [
        "CH[1].GAIN",
        *(f"CH[1].TABLE[{i}]" for i in range(4)),
    ]
    control = entries.registers["CTRL"]
    assert (control.access, control.reset_value, control.description) == ("RW", 2, "Control.")
    assert [field.access for field in control.fields] == ["RW", "RW", "RW pulse"]
    assert entries.registers["STATUS"].access == "RW"
    assert entries.memories["RAM"] == MemoryInfo("RAM", 0x1000, 16, 8, "RW", "Notes.")
    assert str(Supply.CTRL.MODE) == "CTRL.MODE"


def test_reset_is_said_by_the_register_or_by_its_fields() -> None:
    class Said(hwsim.Model):
        class WORD(Register, at=0x0, reset=0x125):
            LOW = Field(0, 4)
            HIGH = Field(8, 4, reset=1)
            MORE = Field(12, 4, reset=3)

    assert Said.map.registers["WORD"].reset_value == 0x3125

    class Twice(hwsim.Model):
        class WORD(Register, at=0x0, reset=0x5):
            LOW = Field(0, 4, reset=4)

    with pytest.raises(InvalidArgument, match=r"WORD\.LOW: resets to 4, but the register says 5"):
        _ = Twice.map


def test_device_is_what_its_class_says() -> None:
    with hwsim.open("hwsim://psu?latency=0s", model=Supply) as device:
        assert device.map is Supply.map
        assert device.channels == 2
        registers = device.registers
        registers.CTRL.EN.write(1)
        registers["CTRL"].fields["MODE"].write("CV")
        assert registers.CTRL.read() == 1
        registers.CTRL.MODE.write(1)
        assert (registers.CTRL.MODE.read(), registers.CTRL.EN.read()) == (1, 1)
        registers.CTRL.CLEAR.write(1)
        assert registers.CTRL.read() == 3
        assert registers.STATUS.read() == 0x301
        assert registers.STATUS.read() == 1
        registers.STATUS.TRIP.write(1)
        assert registers.STATUS.read() == 0
        registers["CH[1].GAIN"].write(2**64 - 1)
        assert device[0x110] == 2**64 - 1
        device.write_block(0x118, [1, 2, 3, 4])
        assert registers["CH[1].TABLE[3]"].read() == 4
        device.write_block(0x1000, range(16))
        assert device.read_block(0x1004, 3).tolist() == [4, 5, 6]


def test_names_that_can_be_are_attributes() -> None:
    with hwsim.open("hwsim://adc?latency=0s", model=load("adc.svd")) as device:
        control = device.registers.ADC1.CTRL
        control.MODE.write("SCAN")
        assert device.registers["ADC1.CTRL"].MODE.read() == 1
        assert {"ADC1", "ADC2"} <= set(dir(device.registers))
        assert {"START", "MODE"} <= set(dir(control))
        assert "MODE2" in repr(control)
        assert repr(control.MODE) == "<hwsim.Field ADC1.CTRL.MODE, bits 5..4, RW>"
        with pytest.raises(AttributeError, match="has no field 'STRT'; its fields: START, MODE"):
            control.STRT  # noqa: B018
        with pytest.raises(AttributeError, match=r"no register 'ADC1\.CTR'"):
            device.registers.ADC1.CTR  # noqa: B018


def test_field_refuses_what_does_not_fit() -> None:
    with hwsim.open("hwsim://psu?latency=0s", model=Supply) as device:
        before = device.transactions
        with pytest.raises(ValueError, match=r"CTRL\.MODE must be from 0 to 3, got 4"):
            device.registers.CTRL.MODE.write(4)
        with pytest.raises(ValueError, match=r"CTRL\.MODE must be one of CV, CC; got 'CX'"):
            device.registers.CTRL.MODE.write("CX")
        with pytest.raises(InvalidArgument, match="value must be from 0 to 0xFFFF"):
            device.registers.LIMIT.write(0x10000)
        assert device.transactions == before


def test_field_is_waited_for_by_name() -> None:
    with hwsim.open("hwsim://psu?clock=virtual", model=Supply) as device:
        device.registers.CTRL.MODE.wait("CC")
        with pytest.raises(hwsim.errors.DeviceTimeout):
            device.registers.CTRL.MODE.wait("CV", timeout=0.1)


@pytest.mark.parametrize(
    ("registers", "said"),
    [
        ([], "up to 65535 registers, and one or a memory, got 0"),
        ([RegisterInfo("A", 0), RegisterInfo("A", 4)], "register A: the model has two"),
        ([RegisterInfo("A", 2)], "A, has an address that is no multiple of its size"),
        ([RegisterInfo("A", 2**32)], "register A: address must be from 0 to 4294967295"),
        ([RegisterInfo("A", 0, 24)], "A, has a size that is none of"),
        ([RegisterInfo("A", 0, 8, reset_value=256)], "A, has a reset value"),
        ([RegisterInfo("A", 0, fields=(FieldInfo("F", 31, 2),))], "A: field 0, F, has bits"),
        (
            [RegisterInfo("A", 0, fields=(FieldInfo("F", 0, enum=(models.EnumValue("X", 2),)),))],
            "register A: field F: X = 2 does not fit",
        ),
    ],
)
def test_map_that_makes_no_sense_is_refused_by_name(
    registers: list[RegisterInfo], said: str
) -> None:
    with pytest.raises(InvalidArgument, match=said):
        Map("bad", registers)


# ---------------------------------------------------------------------------- what it is called


def test_model_in_the_resource_string() -> None:
    with hwsim.open(f"hwsim://a?model={__name__}:Supply&latency=0s") as device:
        assert device.map is Supply.map
        assert device.uri == f"hwsim://a?model={__name__}:Supply&latency=0s"
    with (
        pytest.warns(UserWarning, match=r"adc\.svd: what a model cannot do: .*; and \d+ more"),
        hwsim.open(f"hwsim://a?latency=0s&model={FILES}/../models/adc.svd:ADC2") as device,
    ):
        assert device.registers.CTRL.read() == 0x10
        assert device.registers["CTRL"].address == 0


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ("nothing", NotFound, "no model is called 'nothing'"),
        ("no_such_module:Class", NotFound, "cannot be imported"),
        (f"{__name__}:Nothing", NotFound, "has no Nothing"),
        (f"{__name__}:FILES", InvalidArgument, "must be a hwsim.Model"),
        ("missing.svd", NotFound, r"missing\.svd cannot be read: No such file"),
        (str(FILES / "adc.svd:ADC3"), NotFound, "no peripheral 'ADC3'; it has ADC1, ADC2"),
        pytest.param(str(FILES / "timer.rdl:nothing"), NotFound, "not found", marks=needs_rdl),
        (7, InvalidArgument, "must be a hwsim.Model, a map or the name of one, got 7"),
    ],
)
def test_source_that_is_not_there(source: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        hwsim.open("hwsim://a", model=source)
    assert "a" not in [info.name for info in hwsim.list_devices()]


def test_model_is_given_once() -> None:
    with pytest.raises(InvalidArgument, match="model is given twice"):
        hwsim.open(f"hwsim://a?model={__name__}:Supply", model=Supply)


def test_reuse_needs_the_same_model() -> None:
    with hwsim.open("hwsim://a", model=Supply) as device:
        assert hwsim.open("hwsim://a", model=Supply, if_open="reuse") is device
        with pytest.raises(hwsim.errors.DeviceInUse):
            hwsim.open("hwsim://a", model=load("relay.yaml"), if_open="reuse")


# ---------------------------------------------------------------------------------------- files


def test_svd_file() -> None:
    entries = load("adc.svd")
    assert (entries.name, entries.description) == ("MINI", "A converter and its twin.")
    assert entries.registers["ADC2.DATA[2]"] == RegisterInfo(
        "ADC2.DATA[2]", 0x4000200C, 16, "RO", 0x1234
    )
    control = entries.registers["ADC1.CTRL2"]
    assert control.address == 0x40001010
    assert [(each.name, each.lsb, each.width) for each in control.fields] == [
        ("START", 0, 1),
        ("MODE", 4, 2),
        ("MODE2", 6, 2),
    ]
    assert control.fields[2].enum == (
        models.EnumValue("ONCE", 0),
        models.EnumValue("SCAN", 1, "all"),
    )
    status = {each.name: each for each in entries.registers["ADC1.STATUS"].fields}
    assert [status[name].access for name in ("BUSY", "OVR", "SEEN")] == [
        "RO",
        "RW woclr",
        "RO rclr",
    ]
    assert entries.registers["ADC1.CHB.KEY"].access == "WO"
    assert entries.registers["ADC1.CHB.KEY"].fields[0].once


SVD_DERIVED = """<device><name>d</name><peripherals>
<peripheral><name>A</name><baseAddress>0</baseAddress><registers>
 <register><name>P10%s</name><dim>2</dim><dimIncrement>4</dimIncrement>
  <addressOffset>0</addressOffset><resetValue>7</resetValue></register>
 <register derivedFrom="P101"><name>OTHER</name><addressOffset>8</addressOffset></register>
 <cluster><name>I2C</name><addressOffset>0x10</addressOffset>
  <register><name>CTRL</name><addressOffset>0</addressOffset><resetValue>1</resetValue></register>
  <register derivedFrom="CTRL"><name>MORE</name><addressOffset>4</addressOffset></register>
 </cluster>
 <cluster><name>SPI</name><addressOffset>0x20</addressOffset>
  <register><name>CTRL</name><addressOffset>0</addressOffset><resetValue>2</resetValue></register>
  <register derivedFrom="CTRL"><name>MORE</name><addressOffset>4</addressOffset>
   <fields><field><name>F</name><lsb>0</lsb><msb>1</msb><enumeratedValues><name>E</name>
     <enumeratedValue><name>NEAR</name><value>1</value></enumeratedValue></enumeratedValues></field>
    <field><name>G</name><lsb>2</lsb><msb>3</msb><enumeratedValues derivedFrom="E"/></field>
   </fields>
  </register>
 </cluster>
 <register derivedFrom="I2C.CTRL"><name>LAST</name><addressOffset>0x30</addressOffset>
  <fields><field><name>F</name><lsb>0</lsb><msb>1</msb><enumeratedValues><name>E</name>
   <enumeratedValue><name>FAR</name><value>1</value></enumeratedValue></enumeratedValues></field>
  </fields></register>
</registers></peripheral></peripherals></device>"""


def remarks_of(path: Path) -> tuple[str, ...]:
    with pytest.warns(UserWarning, match="what a model cannot do"):
        return models.load(path).remarks


def test_what_svd_derives_from_is_the_nearest_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "derived.svd"
    path.write_text(SVD_DERIVED, encoding="utf-8")
    entries = models.load(path).registers
    resets = {name.removeprefix("A."): one.reset_value for name, one in entries.items()}
    assert resets == {
        **{"P100": 7, "P101": 7, "OTHER": 7, "LAST": 1},
        **{"I2C.CTRL": 1, "I2C.MORE": 1, "SPI.CTRL": 2, "SPI.MORE": 2},
    }
    assert [one.name for one in entries["A.SPI.MORE"].fields[1].enum] == ["NEAR"]
    path.write_text(SVD_DERIVED.replace("<name>P10%s<", "<name>P20%s<"), encoding="utf-8")
    assert "A.OTHER: left out: it is derived from P101, which is not there" in remarks_of(path)
    circle = SVD_DERIVED.replace(
        "<register><name>P10%s<", '<register derivedFrom="OTHER"><name>P10%s<'
    )
    path.write_text(circle, encoding="utf-8")
    assert "A.OTHER: left out: it is derived from OTHER, which is derived from it" in (
        remarks_of(path)
    )


SVD_CONSTRAINTS = """<device><name>d</name><peripherals>
<peripheral><name>P</name><baseAddress>0</baseAddress><registers>
 <register><name>A</name><addressOffset>0</addressOffset><resetValue>0x90</resetValue><fields>
  <field><name>MODE</name><lsb>0</lsb><msb>2</msb>
   <writeConstraint><useEnumeratedValues>true</useEnumeratedValues></writeConstraint>
   <enumeratedValues><enumeratedValue><name>SLOW</name><value>1</value></enumeratedValue>
    <enumeratedValue><name>FAST</name><value>4</value></enumeratedValue></enumeratedValues></field>
  <field><name>GAIN</name><lsb>4</lsb><msb>7</msb>
   <writeConstraint><range><minimum>2</minimum><maximum>5</maximum></range></writeConstraint></field>
  <field><name>KEEP</name><lsb>8</lsb><msb>9</msb>
   <writeConstraint><writeAsRead>true</writeAsRead></writeConstraint></field>
  <field><name>ANY</name><lsb>12</lsb><msb>13</msb>
   <writeConstraint><range><minimum>0</minimum><maximum>3</maximum></range></writeConstraint></field>
 </fields></register>
 <register><name>B</name><addressOffset>4</addressOffset><size>8</size>
  <writeConstraint><range><minimum>0x10</minimum><maximum>0x20</maximum></range></writeConstraint>
 </register>
</registers></peripheral></peripherals></device>"""


def test_write_constraints_of_svd_are_enforced(tmp_path: Path) -> None:
    path = tmp_path / "constraints.svd"
    path.write_text(SVD_CONSTRAINTS, encoding="utf-8")
    with pytest.warns(UserWarning, match="KEEP: is writeAsRead: what is written to it is ignored"):
        entries = models.load(path)
    assert len(entries.remarks) == 1
    with hwsim.open("hwsim://d?latency=0s", model=entries) as device:
        a, b = device.registers.P.A, device.registers.P.B
        a.write(0x0090)  # what it resets to is always allowed
        a.write(0x3351)
        assert a.read() == 0x3051
        with pytest.raises(
            InvalidArgument,
            match=r"P.A.MODE must be SLOW = 0x1, FAST = 0x4, or as after a reset, 0x0; got 0x2",
        ):
            a.write(0x0052)
        a.MODE.write("FAST")
        a.ANY.write(1)
        with pytest.raises(InvalidArgument, match=r"P.A.MODE must be .*; got 0x7"):
            a.MODE.write(7)
        refused = r"P.A.GAIN must be from 0x2 to 0x5, or as after a reset, 0x9; got 0x6"
        for write in (
            lambda: a.GAIN.write(6),
            lambda: device.write_bytes(0, b"\x61"),
            lambda: device.write_block(0, [0x61]),
            lambda: device.update_register(0, 0xF0, 0x60),
        ):
            with pytest.raises(InvalidArgument, match=refused):
                write()
        assert a.read() == 0x1054
        b.write(0x10)
        b.write(0)
        with pytest.raises(InvalidArgument, match=r"P.B.VALUE must be from 0x10 to 0x20"):
            b.write(0x21)
        assert device.transactions == 8
    if find_spec("yaml"):
        written = tmp_path / "constraints.yaml"
        written.write_text(models.yaml_of(entries), encoding="utf-8")
        again = models.load(written)
        assert {name: one.fields for name, one in again.registers.items()} == {
            name: one.fields for name, one in entries.registers.items()
        }


class Limited(hwsim.Model):
    """What a class says of what may be written, and a rule that does not care."""

    class CTRL(Register, at=0, bits=8):
        RATE = Field(0, 4, allowed=(1, 5), reset=8)
        MODE = Field(4, 2, enum={"OFF": 0, "ON": 3}, allowed="enumerated")

    class GO(Register, at=1, bits=8):
        pass

    rules = (when_written(GO).copy(CTRL.RATE),)


def test_write_constraints_of_a_class() -> None:
    with hwsim.open("hwsim://d?latency=0s", model=Limited) as device:
        device.registers.CTRL.MODE.write("ON")
        for value in (0, 6, 15):
            with pytest.raises(InvalidArgument, match=r"CTRL.RATE must be from 0x1 to 0x5"):
                device.registers.CTRL.RATE.write(value)
        with pytest.raises(InvalidArgument, match=r"CTRL.MODE must be OFF = 0x0, ON = 0x3"):
            device.registers.CTRL.MODE.write(1)
        device.registers.GO.write(15)
        assert device.registers.CTRL.RATE.read() == 15
        assert device.map.registers["CTRL"] == Limited.map.registers["CTRL"]
    field = FieldInfo("F", 0, 2, constraint="range", lowest=1, highest=4)
    for wrong, said in (
        (field, "a range that is empty, or does not fit"),
        (field._replace(lowest=3, highest=2), "a range that is empty, or does not fit"),
        (field._replace(constraint="enumerated"), "its enumerators, but has none"),
        (field._replace(writable=False, highest=3), "has a constraint, but cannot be written"),
        (
            field._replace(constraint="no"),  # type: ignore[arg-type]
            "constraint must be one of enumerated, range: 'no'",
        ),
    ):
        with pytest.raises(InvalidArgument, match=said):
            Map("x", [RegisterInfo("R", 0, fields=(wrong,))])


SVD_OVERLAPS = """<device><name>d</name><cpu><endian>%s</endian></cpu><peripherals>
<peripheral><name>P</name><baseAddress>0</baseAddress><registers>
 <register><name>WORD</name><addressOffset>0</addressOffset><size>32</size>
  <resetValue>0x11223344</resetValue></register>
 <register><name>HALF</name><addressOffset>2</addressOffset><size>16</size>
  <resetValue>%s</resetValue>
  <fields><field><name>LOW</name><lsb>0</lsb><msb>3</msb></field></fields></register>
 <register><name>BYTE</name><addressOffset>3</addressOffset><size>8</size></register>
 <register><name>BYTE</name><addressOffset>8</addressOffset><size>8</size>
  <resetValue>9</resetValue></register>
</registers></peripheral></peripherals></device>"""


@pytest.mark.parametrize("order", ["little", "big"])
def test_registers_inside_of_others_are_their_bytes(order: ByteOrder, tmp_path: Path) -> None:
    path = tmp_path / "overlaps.svd"
    half = {"little": 0x1122, "big": 0x3344}[order]
    path.write_text(SVD_OVERLAPS % (order, half), encoding="utf-8")
    with pytest.warns(UserWarning, match="P.HALF: is a view of bits"):
        entries = models.load(path)
    assert "P.BYTE: its name is there already, so this is P.BYTE_8" in entries.remarks
    assert entries.byte_order == order
    assert [name.removeprefix("P.") for name in entries.registers] == [
        *("WORD", "HALF", "BYTE", "BYTE_8")
    ]
    bits = {"little": "31..24", "big": "7..0"}[order]
    assert any(f"P.BYTE: is a view of bits {bits} of P.WORD" in one for one in entries.remarks)
    assert not any("P.HALF" in one and "reset value" in one for one in entries.remarks)
    with hwsim.open("hwsim://d?latency=0s&clock=virtual", model=entries) as device:
        registers = device.registers.P
        memory = bytearray((0x11223344).to_bytes(4, order))
        assert device.read_bytes(0, 4) == memory
        assert (registers.HALF.read(), registers.BYTE.read()) == (half, memory[3])
        registers.BYTE.write(0xA5)
        memory[3] = 0xA5
        assert registers.WORD.read() == int.from_bytes(memory, order)
        registers.HALF.LOW.write(6)
        expected = int.from_bytes(memory[2:], order) & ~0xF | 6
        assert registers.HALF.read() == expected
        registers.HALF.LOW.wait(6)
        memory[2:] = expected.to_bytes(2, order)
        assert device.read_bytes(1, 3) == memory[1:]
        assert device.transactions == 9
        with pytest.raises(ValueError, match="value must be from 0 to 255, got 256"):
            registers.BYTE.write(256)


@given(
    order=st.sampled_from(["little", "big"]),
    sizes=st.lists(st.sampled_from([8, 16, 32, 64]), min_size=1, max_size=6),
    writes=st.lists(st.tuples(st.integers(0, 47), st.binary(min_size=1, max_size=9)), max_size=8),
)
def test_bytes_of_registers_are_those_of_a_bytearray(
    order: ByteOrder, sizes: list[int], writes: list[tuple[int, bytes]]
) -> None:
    sizes.sort(reverse=True)  # so that there are no gaps
    places = [sum(sizes[:i]) // 8 for i in range(len(sizes))]
    whole = sum(sizes) // 8
    words = [
        RegisterInfo(f"R{i}", at, size, writable=(1 << size) - 1)
        for i, (at, size) in enumerate(zip(places, sizes, strict=True))
    ]
    ram = MemoryInfo("RAM", 64, 6, 64)
    entries = Map("bytes", words, [ram], byte_order=order)
    mirror, memory = bytearray(whole), bytearray(48)
    with hwsim.open("hwsim://bytes?latency=0s", model=entries) as device:
        for at, data in writes:
            for base, copy in ((0, mirror), (64, memory)):
                if at + len(data) <= len(copy):
                    device.write_bytes(base + at, data)
                    copy[at : at + len(data)] = data
                else:
                    with pytest.raises(AddressError):
                        device.write_bytes(base + at, data)
        assert device.read_bytes(0, whole) == mirror
        assert device.read_bytes(64, 48) == memory
        for at, size in zip(places, sizes, strict=True):
            assert device[at] == int.from_bytes(mirror[at : at + size // 8], order)
        for at in range(0, 48, 8):
            assert device[64 + at] == int.from_bytes(memory[at : at + 8], order)


def test_register_whose_fields_are_all_write_only_reads_as_0() -> None:
    field = FieldInfo("DATA", 0, 16, readable=False)
    entries = Map("x", [RegisterInfo("TX", 0, 16, "RW", 0xFFFF, fields=(field,))])
    with hwsim.open("hwsim://tx?latency=0s", model=entries) as device:
        assert device[0] == 0
        device[0] = 0x1234
        assert device[0] == 0


def test_svd_file_says_what_is_lost() -> None:
    remarks = load("adc.svd").remarks
    assert "ADC1: no interrupt ADC" in remarks
    assert any("ADC1.CTRL.MODE: its writeConstraint is not enforced" in one for one in remarks)
    assert "ADC1.CTRL.MODE: its value ANY = #1x is no single one" in remarks
    assert "ADC1.CTRL_ALT: is another view of ADC1.CTRL" in remarks
    assert "ADC1.ODD: is a view of bits 31..16 of ADC1.CTRL" in remarks


def test_view_is_the_same_register() -> None:
    with hwsim.open("hwsim://adc?latency=0s", model=load("adc.svd")) as device:
        device.registers["ADC1.CTRL_ALT"].RAW.write(0xF1)
        assert device.registers["ADC1.CTRL"].read() == 0xF1


@needs_rdl
def test_rdl_file() -> None:
    entries = load("timer.rdl")
    assert (entries.name, entries.description) == ("timer", "A timer with two channels.")
    assert [one.address for one in entries.registers.values()] == [0, 4, 0x10, 0x20]
    assert entries.memories["TABLE"].words == 16
    assert "STATUS.DONE: hwset does nothing" in entries.remarks
    with hwsim.open("hwsim://timer?latency=0s", model=entries) as device:
        control = device.registers.CTRL
        control.write(0xFFFF)
        assert control.read() == 0xF3
        control.KEY.write(0)
        control.MODE.write("ON")
        assert control.read() == 0xF1
        assert device.registers.STATUS.read() == 5
        device.registers.STATUS.DONE.write(1)
        assert device.registers.STATUS.read() == 0
        assert device.registers["CH[1].COMPARE"].read() == 7


@needs_rdl
def test_ipxact_file() -> None:
    entries = load("uart.xml")
    (control, flags) = entries.registers.values()
    assert (control.reset_value, control.fields[0].name) == (1, "EN")
    assert flags.fields[0].onwrite == "woclr"


@needs_rdl
def test_ipxact_file_of_2022_with_parameters_arrays_and_two_maps() -> None:
    entries = load("sensor.xml")
    said = {name: (one.address, one.bits, one.access) for name, one in entries.registers.items()}
    assert said == {
        "regs.CTRL": (0x110, 32, "RW"),
        "regs.GAIN[0]": (0x120, 16, "RO"),
        "regs.GAIN[1]": (0x128, 16, "RO"),
        "regs.GAIN[2]": (0x130, 16, "RO"),
    }
    (level,) = entries.registers["regs.CTRL"].fields
    assert (level.lsb, level.width, level.onwrite) == (4, 4, "woclr")
    assert (level.constraint, level.lowest, level.highest) == ("range", 1, 12)
    assert entries.registers["regs.CTRL"].reset_value == 0x50
    assert [field.name for field in entries.registers["regs.GAIN[0]"].fields] == ["VALUE"]
    assert "LEVEL: what other modes may is left out" in entries.remarks
    assert "sensor__debug: left out: another memory map" in entries.remarks
    assert list(load("sensor.xml:debug").registers) == ["trace.STATE"]
    with pytest.raises(NotFound, match="no memory map 'x'; it has debug, control"):
        load("sensor.xml:x")


@needs_rdl
def test_ipxact_number_that_cannot_be_known_is_named(tmp_path: Path) -> None:
    text = (FILES / "sensor.xml").read_text(encoding="utf-8")
    path = tmp_path / "sensor.xml"
    path.write_text(text.replace("WIDTH * 2", "WIDTH * UNKNOWN"), encoding="utf-8")
    said = "control.regs.CTRL: left out: 'WIDTH * UNKNOWN' is no number, and no"
    assert any(one.startswith(said) for one in remarks_of(path))
    assert "regs.GAIN[0]" in load(str(path)).registers


def test_yaml_file() -> None:
    entries = load("relay.yaml")
    with hwsim.open("hwsim://relay?latency=0s", model=entries) as device:
        device.registers.STATE.write(0x81)
        assert device.registers.LOCK.read() == 0x0B00
        assert device.registers.LOCK.read() == 0x0100
        assert device.registers.LOCK.LOCKED.read() == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hwsim: 1\n", "'name' is a required property"),
        ("hwsim: 1\nname: x\n", "is not valid under any of the given schemas"),
        ("hwsim: 2\nname: x\nregisters: {A: {address: 0}}\n", "hwsim: 1 was expected"),
        ("hwsim: 1\nname: x\nregisters: {A: {adress: 0}}\n", r"registers\.A: "),
        ("hwsim: 1\nname: x\nregisters: {A: {address: 0, bits: 12}}\n", r"A\.bits: 12 is not one"),
        ("a: [", "no YAML"),
    ],
)
def test_document_that_breaks_the_schema(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidArgument, match=said):
        models.load(path)


def test_on_and_off_are_names_in_yaml(tmp_path: Path) -> None:
    """They are truth values in YAML 1.1."""
    path = tmp_path / "switch.yaml"
    path.write_text(
        "{hwsim: 1, name: switch, registers: {NO: {address: 0, fields: "
        "{ON: {bits: 0, pulse: true, values: {ON: 1, OFF: 0}}}}}}",
        encoding="utf-8",
    )
    (field,) = models.load(path).registers["NO"].fields
    assert (field.name, field.pulse, field.enum) == (
        "ON",
        True,
        (models.EnumValue("ON", 1), models.EnumValue("OFF", 0)),
    )


def test_c_header_compiles_and_says_the_same(tmp_path: Path) -> None:
    header = tmp_path / "supply.h"
    header.write_text(models.c_header(Supply.map), encoding="utf-8")
    program = tmp_path / "check.c"
    program.write_text(
        '#include "supply.h"\n'
        '_Static_assert(SUPPLY_CTRL_MODE_MASK == 6 && SUPPLY_CTRL_MODE_SHIFT == 1, "");\n'
        '_Static_assert(SUPPLY_CTRL_MODE__CC == 1 && SUPPLY_LIMIT_RESET == 100, "");\n'
        '_Static_assert(SUPPLY_CH_1_GAIN == 0x110 && SUPPLY_RAM_WORDS == 16, "");\n',
        encoding="utf-8",
    )
    subprocess.run(["cc", "-fsyntax-only", str(program)], check=True)


def test_markdown_has_every_register_and_field() -> None:
    text = models.markdown(Supply.map)
    for one in Supply.map.registers.values():
        assert f"| `0x{one.address:02X}` | `{one.name}` |" in text
        assert all(f"| `{field.name}` |" in text for field in one.fields)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "systemrdl", None)
    with pytest.raises(ImportError, match=r"pip install hwsim\[models\]"):
        from hwsim.models import rdl

        rdl.read(FILES / "timer.rdl")


def test_access_of_the_map_is_that_of_the_device() -> None:
    with hwsim.open("hwsim://adc?latency=0s", model=load("adc.svd")) as device:
        with pytest.raises(AccessError, match=r"ADC1\.DATA\[0\] at 0x40001008 is read-only"):
            device.registers["ADC1.DATA[0]"].write(1)
        with pytest.raises(AccessError, match=r"ADC1\.CHA\.KEY at 0x40001024 is write-only"):
            device.registers["ADC1.CHA.KEY"].read()


# ----------------------------------------------------------------------------------- the command


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["info", *arguments]) == 0
    return capsys.readouterr().out


def test_info_prints_the_map_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    shown = run(capsys, str(FILES / "adc.svd:ADC1"))
    assert "CTRL" in shown and "5..4" in shown and "0 ONCE, 1 SCAN all" not in shown
    assert "not modelled: ADC1: no interrupt ADC" in shown
    assert "LOG" in run(capsys, str(FILES / "relay.yaml"))


class Everything(hwsim.Model):
    """One of each kind."""

    channels = 3
    byte_order = "big"

    class CTRL(Register, at=0x0):
        START = Field(0, pulse=True)
        GAIN = Field(4, 3, allowed=(1, 5))

    class DATA(Register, at=0x4, bits=16):
        pass

    class KEY(Register, at=0x8):
        pass

    class RAM(Memory, at=0x100, words=8, bits=16):
        pass

    samples = Fifo(4, data=DATA, pops=True, overflow=CTRL.GAIN)
    power = Output(CTRL.GAIN, "unipolar", range=5.0)
    rules = (
        when_written(CTRL.START, 1)
        .given(KEY, above(DATA))
        .after(1e-3, jitter=1e-4)
        .convert(2, samples),
        every(0.5).increment(KEY, 3),
    )

    @on_write(KEY)
    def unlock(self, value: int) -> None:
        pass


@pytest.mark.parametrize("form", [None, "markdown", "c"])
def test_every_form_has_all_of_a_model(
    form: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    options = ["--as", form] if form else []
    shown = " ".join(run(capsys, f"{__name__}:Everything", *options).split())
    for said in (
        *("RAM", "samples", "power" if form != "c" else "EVERYTHING_OUTPUT_POWER 0u", "unipolar"),
        "DATA popped by reads, overflow CTRL.GAIN",
        "CTRL.START is written, the value == 1, KEY > DATA, after 0.001 s +- 0.0001 s",
        "samples = a sample of channel 2, signed",
        *("every 0.5 s", "KEY += 3", "unlock"),
        *({"c": ("BIG_ENDIAN 1", "CHANNELS 3u")}.get(form or "", ("3", "big", "1 to 5"))),
    ):
        assert said in shown.replace("`", "")


def test_info_writes_the_map(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, f"{__name__}:Supply", "--as", "yaml") == models.yaml_of(Supply.map)
    assert "#define DAQ_SCRATCH0 0x40u" in run(capsys, "hwsim://daq0", "--as", "c")
    assert run(capsys, f"{__name__}:Supply", "--as", "markdown").startswith("# supply\n")


def test_packages_offer_models(tmp_path: Path) -> None:
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hwsim.models]\nacme-psu = acme_psu:Supply\n")
    (tmp_path / "acme_psu.py").write_text(
        "import hwsim\n"
        "from hwsim.models import Register\n"
        "class Supply(hwsim.Model):\n"
        "    class ID(Register, at=0, reset=7, access='RO'): pass\n"
    )
    script = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import hwsim
        from hwsim import cli, models

        assert models.offered() == [("acme-psu", "acme_psu:Supply", "acme")]
        assert "acme_psu" not in sys.modules
        with hwsim.open("hwsim://a?latency=0s&model=acme-psu") as device:
            assert device[0] == 7
        cli.main(["list"])
    """
    assert "acme_psu:Supply" in run_script(script).check()


def test_what_is_declared_as_a_class_is_not_called() -> None:
    class REG(Register, at=0):
        pass

    class MEM(Memory, at=4, words=1):
        pass

    class PART(Block, at=8):
        pass

    for called, kind in [
        (Register, "Register"),
        (REG, "Register"),
        (MEM, "Memory"),
        (PART, "Block"),
    ]:
        for arguments in ((), (0,)):
            with pytest.raises(TypeError, match=rf"'class NAME\({kind}, at=0x10\)"):
                called(*arguments)


def test_plain_fields_are_cleared_as_their_register_is() -> None:
    class Latches(hwsim.Model):
        class FLAGS(Register, at=0, access="W1C"):
            A = Field(0, reset=1)
            B = Field(1, reset=1)
            C = Field(2, reset=1, access="RO")

        class COUNT(Register, at=4, access="RC"):
            N = Field(0, 8, reset=5)

    with hwsim.open("hwsim://latches?latency=0s", model=Latches) as device:
        device[0] = 0b101
        assert device[0] == 0b110
        device[0] = 0b010
        assert device[0] == 0b100
        assert [device[4], device[4]] == [5, 0]


def test_what_stands_in_the_wrong_place_is_refused() -> None:
    class Loose(hwsim.Model):
        class CTRL(Register, at=0):
            pass

        EN = Field(0)

    with pytest.raises(InvalidArgument, match="EN: a field belongs into the class of a register"):
        _ = Loose.map

    class Inner(hwsim.Model):
        class PART(Block, at=0):
            class DAC(Register, at=0):
                pass

            output = Output(DAC)

    with pytest.raises(InvalidArgument, match=r"PART\.output: FIFOs and outputs belong into"):
        _ = Inner.map

    with pytest.raises(TypeError, match=r"EN = Field\(lsb, width\)"):

        class EN(Field, lsb=0):
            pass


# ---------------------------------------------------------------------------------------- aliases


class Aliased(hwsim.Model):
    class CTRL(Register, at=0x0, reset=0x400):
        EN = Field(0, reset=1)
        HIGH = Field(8, 8)

    class ON(Register, at=0x4, alias=CTRL):
        BITS = Field(0, 16, onwrite="woset")

    class OFF(Register, at=0x8, alias="CTRL"):
        BITS = Field(0, 16, onwrite="woclr")

    class EACH(Register, at=0x40, count=2, alias=CTRL):
        pass

    class BANK(Block, at=0x100, count=2, stride=0x20):
        class WORDS(Register, at=0x0, count=2):
            pass

        class AGAIN(Register, at=0x10, count=2, alias=WORDS):
            pass


def test_class_declares_aliases() -> None:
    with hwsim.open("hwsim://aliased?latency=0s", model=Aliased) as device:
        registers = device.registers
        assert registers.CTRL.EN.read() == 1 and registers.CTRL.HIGH.read() == 4
        registers.ON.write(0x1100)
        assert (registers.CTRL.read(), registers.OFF.read()) == (0x1501, 0x1501)
        registers.OFF.write(0x401)
        assert registers.CTRL.read() == registers["EACH[1]"].read() == 0x1100
        registers["BANK[1].AGAIN[0]"].write(7)
        words = [registers[f"BANK[{i}].WORDS[{k}]"].read() for i in range(2) for k in range(2)]
        assert words == [0, 0, 7, 0]
        device.reset()
        assert registers.ON.read() == 0x401


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"alias": "nothing"}, "no register nothing"),
        ({"alias": 5}, "must be a register, a field, or the name of one, got 5"),
        ({"alias": "A", "bits": 16}, "B, is an alias of a register of another size"),
        ({"alias": "B"}, "B, is an alias of an alias"),
        ({"alias": "MANY", "count": 2}, r"B\[0\]: must be an alias of 1 register.* 2, got 3"),
        ({"alias": "A", "reset": 1}, "B: is an alias, and resets as A does"),
    ],
)
def test_alias_of_a_class_that_cannot_be_is_refused(said: dict[str, Any], wrong: str) -> None:
    class Wrong(hwsim.Model):
        class A(Register, at=0x0):
            pass

        class MANY(Register, at=0x10, count=3):
            pass

        class B(Register, at=0x80, **said):
            pass

    with pytest.raises((InvalidArgument, TypeError), match=wrong):
        hwsim.open("hwsim://wrong", model=Wrong)


# ---------------------------------------------------------------------------------------- roles


def do_everything(device: hwsim.Device) -> list[object]:
    """What each kind of register of the built-in model shows, and when."""
    seen: list[object] = []
    for name in ("VERSION", "CHANNELS", "STATUS", "UPTIME"):
        seen.append(device.registers[name].read())
    device.registers.CONTROL.write(0)
    seen.append(device.registers.STATUS.read())
    with pytest.raises(hwsim.errors.StateError):
        device.read_voltage(0)
    device.registers.CONTROL.write(1)
    seen.append(device.read_voltage(3))
    device.registers.EVENT_MASK.write(0xFFFF)
    device.trigger(2.0)
    device.inject("crc")
    with pytest.raises(hwsim.errors.CRCError):
        device.registers.SCRATCH0.read()
    seen += [device.registers[name].read() for name in ("STATUS", "EVENT_STATUS", "FAULT_COUNT")]
    seen.append(device.registers.UPTIME.read())
    device.registers.COMMAND.write(1)
    seen += [device.registers[name].read() for name in ("EVENT_MASK", "FAULT_COUNT", "UPTIME")]
    return [*seen, device.now]


def test_copy_of_the_built_in_model_does_all_that_it_does() -> None:
    """It has no privilege: what its registers do beside holding values is said by their roles."""
    settings = "clock=virtual&latency=3ms&seed=7"
    with hwsim.open(f"hwsim://daq?{settings}") as daq:
        copy = Map("copy", daq.map.registers.values(), channels=4)
        expected = do_everything(daq)
    with hwsim.open(f"hwsim://copy?{settings}", model=copy) as device:
        assert do_everything(device) == expected


def test_role_is_said_by_a_class_and_a_file(tmp_path: Path) -> None:
    class Clock(hwsim.Model):
        class MS(Register, at=0, access="RO", role="uptime"):
            """Milliseconds."""

    path = tmp_path / "clock.yaml"
    path.write_text(models.yaml_of(Clock.map), encoding="utf-8")
    for model in (Clock, path):
        with hwsim.open("hwsim://clock?clock=virtual&latency=5ms", model=model) as device:
            assert device[0] == 5

    class Wrong(hwsim.Model):
        class MS(Register, at=0, role="uptimes"):  # type: ignore[arg-type]
            """Milliseconds."""

    with pytest.raises(InvalidArgument, match="register MS: role must be one of firmware_version"):
        _ = Wrong.map
