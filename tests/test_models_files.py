"""Files of models: what is wrong with a part of one costs that part alone, with its name."""

from __future__ import annotations

import re
import subprocess
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest

import hwsim
from hwsim import models
from hwsim.errors import AccessError, AddressError, InvalidArgument
from hwsim.models import (
    EnumValue,
    FieldInfo,
    Map,
    Memory,
    MemoryInfo,
    OutputInfo,
    Register,
    RegisterInfo,
    RuleInfo,
    on_write,
)

FILES = Path(__file__).parent / "models"
# There is no reader of SystemRDL for a Python without a GIL.
needs_rdl = pytest.mark.skipif(find_spec("systemrdl") is None, reason="no systemrdl-compiler")


def load(path: Path) -> Map:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return models.load(path)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def svd(registers: str, more: str = "") -> str:
    return (
        "<device><name>D</name><peripherals><peripheral><name>P</name>"
        f"<baseAddress>0</baseAddress>{more}<registers>{registers}</registers>"
        "</peripheral></peripherals></device>"
    )


def ipxact(registers: str) -> str:
    return (
        '<component xmlns="http://www.accellera.org/XMLSchema/IPXACT/1685-2014"><name>c</name>'
        "<memoryMaps><memoryMap><name>m</name><addressBlock><name>b</name>"
        "<baseAddress>0</baseAddress><range>4096</range><width>32</width>"
        f"{registers}</addressBlock></memoryMap></memoryMaps></component>"
    )


def register(name: str, offset: object, more: str = "", size: object = 32) -> str:
    return (
        f"<register><name>{name}</name><addressOffset>{offset}</addressOffset>"
        f"<size>{size}</size>{more}</register>"
    )


def field(name: str, lsb: object, width: object = 4, more: str = "") -> str:
    return (
        f"<field><name>{name}</name><bitOffset>{lsb}</bitOffset>"
        f"<bitWidth>{width}</bitWidth>{more}</field>"
    )


GOOD = register("GOOD", "0x40")
BAD_OF_SVD = {
    "P.A: left out: <addressOffset> must be a number, got 'x'": register("A", "x"),
    "P.A: left out: 32 bits at 0x2, which is no multiple of 4": register("A", 2),
    "P.A: left out: it has 128 bits": register("A", 0, size=128),
    "P.A: left out: 4 bytes at 0x100000000, and addresses": register("A", 1 << 32),
    "P.A: left out: it is derived from NONE, which is not there": (
        '<register derivedFrom="NONE"><name>A</name></register>'
    ),
    "P.A: left out: it is derived from A, which is": '<register derivedFrom="A"><name>A</name>'
    "</register>",
    "P.A[%s]: left out: <dim> must be from 1 to 65535, got 99999999": register(
        "A[%s]", 0, "<dim>99999999</dim><dimIncrement>4</dimIncrement>"
    ),
    "P.A[%s]: left out: <dim> must be a number": register(
        "A[%s]", 0, "<dim>x</dim><dimIncrement>4</dimIncrement>"
    ),
    "P.A: left out: invalid literal": register("A", 0, "<resetValue>x</resetValue>"),
    "P.A.F: left out: bad bitRange 'x'": register(
        "A", 0, "<fields><field><name>F</name><bitRange>x</bitRange></field></fields>"
    ),
    "P.A.F: left out: the register has no such bits": register(
        "A", 0, f"<fields>{field('F', -1)}</fields>"
    ),
    "P.A.F: its value MINUS = -1 does not fit": register(
        "A",
        0,
        "<fields><field><name>F</name><bitOffset>0</bitOffset><enumeratedValues>"
        "<enumeratedValue><name>MINUS</name><value>-1</value></enumeratedValue>"
        "</enumeratedValues></field></fields>",
    ),
}


@pytest.mark.parametrize("said", BAD_OF_SVD)
def test_bad_part_of_an_svd_file_is_a_remark(said: str, tmp_path: Path) -> None:
    entries = load(written(tmp_path / "bad.svd", svd(BAD_OF_SVD[said] + GOOD)))
    assert "P.GOOD" in entries.registers
    assert any(one.startswith(said) for one in entries.remarks), entries.remarks
    if "left out" in said and ".F:" not in said:
        assert list(entries.registers) == ["P.GOOD"]
        with pytest.raises(InvalidArgument, match=f"D has no reg.*; {re.escape(said)}"):
            load(written(tmp_path / "worse.svd", svd(BAD_OF_SVD[said])))


def test_second_peripheral_of_a_name_is_a_remark(tmp_path: Path) -> None:
    text = svd(GOOD).replace("</peripherals>", "<peripheral><name>P</name></peripheral>$&")
    entries = load(written(tmp_path / "twice.svd", text.replace("$&", "</peripherals>")))
    assert entries.remarks == ("P: left out: its name is there already",)


RDL_WORD = "reg { field { sw = rw; hw = r; } F[31:0] = 1; }"
BAD_OF_RDL = {
    "A: left out: 32 bits at 0x2, which is no multiple of 4": f"{RDL_WORD} A @ 2;",
    "A: left out: 128 bits at 0x0": "reg { regwidth = 128; field {} F[99:0]; } A @ 0;",
    "A: left out: 4 bytes at 0x100000000, and": f"{RDL_WORD} A @ 0x100000000;",
    "A[65535], and what follows: left out: more than 65535 registers": f"{RDL_WORD} A[70000] @ 0;",
    "A.F: left out: the register has no such bits": "reg { field { sw = rw; hw = r; } F[39:32]; "
    "field { sw = rw; hw = r; } G[3:0]; } A @ 0;",
    "B: is another view of A": f"{RDL_WORD} A @ 0; {RDL_WORD} B @ 0;",
    "M: left out: registers lie in it": f"{RDL_WORD} A @ 0x10;"
    "external mem { mementries = 64; memwidth = 32; } M @ 0;",
    "M: left out: 24 bits at 0x0": "external mem { mementries = 4; memwidth = 24; } M @ 0;",
    "M: left out: 1073741824 bytes more than 256 MiB": (
        "external mem { mementries = 0x10000000; memwidth = 32; } M @ 0x100000;"
    ),
    "N: left out: it lies on another memory": (
        "external mem { mementries = 4; memwidth = 32; } M @ 0x1000;"
        "external mem { mementries = 4; memwidth = 32; } N @ 0x1004;"
    ),
}


@needs_rdl
@pytest.mark.parametrize("said", BAD_OF_RDL)
def test_bad_part_of_an_rdl_file_is_a_remark(said: str, tmp_path: Path) -> None:
    good = "A[65534]" if "more than 65535" in said else "GOOD"
    text = f"addrmap D {{ {BAD_OF_RDL[said]} {RDL_WORD} GOOD @ 0x80000; }};"
    entries = load(written(tmp_path / "bad.rdl", text))
    assert good in entries.registers
    assert any(one.startswith(said) for one in entries.remarks), entries.remarks


@needs_rdl
def test_what_is_not_present_is_not_there(tmp_path: Path) -> None:
    gone = RDL_WORD.replace("reg {", "reg { ispresent = false;")
    text = f"addrmap D {{ {RDL_WORD} A @ 0; {gone} B @ 4; }};"
    entries = load(written(tmp_path / "part.rdl", text))
    assert (list(entries.registers), entries.remarks) == (["A"], ())


@needs_rdl
def test_rdl_file_that_is_wrong_as_a_whole_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="top has no registers and no memories; A: left out"):
        load(written(tmp_path / "a.rdl", f"addrmap top {{ {RDL_WORD} A @ 2; }};"))
    with pytest.raises(InvalidArgument, match="is not defined"):
        load(written(tmp_path / "b.rdl", "addrmap top { none A @ 2; };"))
    with pytest.raises(InvalidArgument, match="no IP-XACT: its root, <project>"):
        load(written(tmp_path / "c.xml", "<project/>"))
    with pytest.raises(InvalidArgument, match="must contain exactly one 'memoryMaps'"):
        load(written(tmp_path / "d.xml", ipxact("").replace("memoryMaps>", "ports>")))


BAD_OF_IPXACT = {
    "m.b.A: left out: 'N' is no number": register("A", "N"),
    "b.A: left out: 32 bits at 0x2, which is no multiple of 4": register("A", 2),
    "m.b.A: left out: register is missing required tag 'size'": "<register><name>A</name>"
    "<addressOffset>0</addressOffset></register>",
    "m.b.A: has 32 bits instead of 20": register("A", 0, size=20),
    "m.b.A.F: left out: 'N' is no number": register("A", 0, field("F", 0, "N")),
    "m.b.A.F: Invalid value 'never'": register("A", 0, field("F", 0, 4, "<access>never</access>")),
    "b.A.F: left out: the register has no such bits": register("A", 0, field("F", 40)),
    "b.A.G: shares bits with F, which counts": register("A", 0, field("F", 0) + field("G", 2)),
    "b.A.F: it has no room for 0x1F": register(
        "A", 0, field("F", 0, 4, "<resets><reset><value>31</value></reset></resets>")
    ),
    "m.b.A.F: its value TWO = 31 is left out": register(
        "A",
        0,
        field(
            "F",
            0,
            4,
            "<enumeratedValues><enumeratedValue><name>TWO</name><value>31</value>"
            "</enumeratedValue><enumeratedValue><name>ONE</name><value>1</value>"
            "</enumeratedValue></enumeratedValues>",
        ),
    ),
    "b.B: is another view of b.A": register("A", 0) + register("B", 0),
    "F: has one kind of reset here": register(
        "A",
        0,
        field(
            "F",
            0,
            4,
            '<resets><reset resetTypeRef="SOFT"><value>3</value></reset>'
            "<reset><value>2</value></reset></resets>",
        ),
    ),
}


@needs_rdl
@pytest.mark.parametrize("said", BAD_OF_IPXACT)
def test_bad_part_of_an_ipxact_file_is_a_remark(said: str, tmp_path: Path) -> None:
    entries = load(written(tmp_path / "bad.xml", ipxact(BAD_OF_IPXACT[said] + GOOD)))
    assert "b.GOOD" in entries.registers
    assert any(one.startswith(said) for one in entries.remarks), entries.remarks
    if "one kind of reset" in said:
        assert entries.registers["b.A"].reset_value == 2


@needs_rdl
def test_expressions_of_ipxact(tmp_path: Path) -> None:
    text = register("A", "2 ** 4 + $pow(2, $clog2(13))", field("F", "(5 - 3) * 2"))
    entries = load(written(tmp_path / "e.xml", ipxact(text)))
    assert entries.registers["b.A"].address == 32
    assert entries.registers["b.A"].fields[0].lsb == 4


@needs_rdl
def test_banks_of_ipxact(tmp_path: Path) -> None:
    def block(name: str) -> str:
        start = f"<addressBlock><name>{name}</name><range>128</range><width>32</width>"
        return f"{start}{GOOD}</addressBlock>"

    def bank(kind: str) -> str:
        start = f'<bank bankAlignment="{kind}"><name>k</name><baseAddress>0x100</baseAddress>'
        return f"{start}{block('one')}{block('b')}</bank>"

    def whole(bank: str) -> str:
        return ipxact(GOOD).replace(
            "</memoryMap>",
            f"{bank}<memoryRemap><name>r</name>{block('b')}</memoryRemap></memoryMap>",
        )

    entries = load(written(tmp_path / "serial.xml", whole(bank("serial"))))
    places = {name: one.address for name, one in entries.registers.items()}
    assert places == {"b.GOOD": 0x40, "one.GOOD": 0x140, "b_.GOOD": 0x1C0}
    assert set(entries.remarks) == {"r: left out: a memoryRemap", "b: its name is there already"}
    entries = load(written(tmp_path / "parallel.xml", whole(bank("parallel"))))
    assert "m.k: left out: a bank that is parallel, or has others in it" in entries.remarks
    assert list(entries.registers) == ["b.GOOD"]


@needs_rdl
def test_register_whose_fields_are_all_reserved_has_a_value(tmp_path: Path) -> None:
    reserved = field("R", 0, 4, "<reserved>true</reserved>")
    entries = load(written(tmp_path / "r.xml", ipxact(register("A", 0, reserved))))
    assert [each.name for each in entries.registers["b.A"].fields] == ["VALUE"]


# ------------------------------------------------------------------------------------------ aliases

ALIASES = """addrmap flags {
  reg {
    field { sw = rw; hw = w; } F[7:0] = 3;
    field { sw = rw; hw = r; } X[15:8] = 0x12;
  } FLAGS @ 0;
  reg clear_t { field { sw = rw; hw = w; onwrite = woclr; } F[7:0] = 3; };
  reg show_t { field { sw = r; hw = w; onread = rclr; } F[7:0] = 3; };
  alias FLAGS clear_t CLEAR @ 0x8;
  alias FLAGS show_t SHOW @ 0x10;
  reg word_t { field { sw = rw; hw = r; } V[31:0] = 5; };
  word_t WORDS[2] @ 0x20;
  alias WORDS word_t OTHERS[2] @ 0x30;
};"""


@needs_rdl
def test_alias_shows_what_its_primary_holds(tmp_path: Path) -> None:
    entries = load(written(tmp_path / "flags.rdl", ALIASES))
    assert not [one for one in entries.remarks if "alias" in one]
    copy = load(written(tmp_path / "copy.yaml", models.yaml_of(entries)))
    assert same(copy, entries)
    assert "an alias of the register at 0x00" in models.markdown(entries)
    assert "an alias of the register at 0x20" in models.c_header(entries)
    for each in (entries, copy):
        with hwsim.open("hwsim://flags?latency=0s", model=each) as device:
            registers = device.registers
            registers.FLAGS.F.write(0xFF)
            assert registers.CLEAR.read() == 0xFF
            registers.CLEAR.F.write(0x0F)
            assert registers.FLAGS.read() == 0x12F0
            with pytest.raises(AccessError, match="SHOW at 0x10 is read-only"):
                registers.SHOW.write(0)
            assert registers.SHOW.read() == 0xF0
            assert registers.FLAGS.read() == 0x1200
            registers["OTHERS[1]"].write(9)
            assert registers["WORDS[1]"].read() == 9
            assert registers["WORDS[0]"].read() == 5
            assert device.read_bytes(0x30, 8) == b"\5\0\0\0\x09\0\0\0"
            device.reset()
            assert [registers[name].read() for name in ("FLAGS", "CLEAR", "SHOW")] == [0x1203, 3, 3]
            assert device.map.registers["OTHERS[1]"].alias == 0x24


@needs_rdl
def test_alias_whose_primary_is_left_out_is_a_remark(tmp_path: Path) -> None:
    word = RDL_WORD.replace("reg {", "reg word_t {")
    text = f"addrmap top {{ {word}; word_t A @ 2; alias A word_t B @ 8; }};"
    entries = load(written(tmp_path / "left.rdl", text))
    assert "B: is no alias, but of its own, as its primary is not there" in entries.remarks
    assert entries.registers["B"].alias is None


def test_behaviour_sees_a_register_through_its_alias() -> None:
    class Flags(hwsim.Model):
        class PLAIN(Register, at=0):
            pass

        class CODED(Register, at=4):
            pass

        @on_write(CODED)
        def coded(self, value: int) -> None:
            self.write("PLAIN", self.read("PLAIN") + value)

    entries = Flags.map
    alias = RegisterInfo("ALIAS", 8, writable=0xFFFFFFFF, alias=0)
    registers = [*entries.registers.values(), alias]
    both = Map("both", registers, behaviours=entries.behaviours, model=Flags)
    with hwsim.open("hwsim://both?latency=0s", model=both) as device:
        device[8] = 5
        device[4] = 2
        assert (device[0], device[8]) == (7, 7)
        device.write_block(0, [1, 10, 3])  # in this order
        assert (device[0], device[8]) == (3, 3)
        device.write_block(4, [10, 4])
        assert device[0] == 4


# ---------------------------------------------------------------------------------- memories alone


class Ram(hwsim.Model):
    """Words, and nothing else."""

    class WORDS(Memory, at=0x100, words=8):
        pass


MEMORIES = {
    "ram.yaml": "{hwsim: 1, name: ram, memories: {WORDS: {address: 0x100, words: 8}}}",
    "ram.rdl": "addrmap ram { external mem { mementries = 8; memwidth = 32; } WORDS @ 0x100; };",
    "ram.xml": ipxact("")
    .replace("<name>b<", "<name>WORDS<")
    .replace("<baseAddress>0<", "<baseAddress>256<")
    .replace("<range>4096<", "<range>32<")
    .replace("<width>32</width>", "<width>32</width><usage>memory</usage>"),
    "ram.svd": svd(
        "",
        "<addressBlock><offset>0x100</offset><size>0x20</size><usage>buffer</usage></addressBlock>",
    ).replace("<name>P<", "<name>WORDS<"),
}


@pytest.mark.parametrize(
    "name",
    [
        "class",
        "ram.yaml",
        "ram.svd",
        pytest.param("ram.rdl", marks=needs_rdl),
        pytest.param("ram.xml", marks=needs_rdl),
    ],
)
def test_device_may_have_memories_alone(name: str, tmp_path: Path) -> None:
    entries = Ram.map if name == "class" else load(written(tmp_path / name, MEMORIES[name]))
    assert not entries.registers
    assert list(entries.memories.values()) == [MemoryInfo("WORDS", 0x100, 8)]
    with hwsim.open("hwsim://ram?latency=0s", model=entries) as device:
        device.write_block(0x100, range(8))
        device.write_bytes(0x104, b"\x09")
        assert device.read_block(0x100, 8).tolist() == [0, 9, *range(2, 8)]
        assert device[0x104] == 9
        assert list(device.registers) == []
        with pytest.raises(AddressError, match="no register at 0x120"):
            device[0x120] = 1
        device.reset()
        assert device[0x104] == 9
    copy = load(written(tmp_path / "copy.yaml", models.yaml_of(entries)))
    assert same(copy, entries)
    assert "WORDS" in models.markdown(entries) and "_WORDS 0x100u" in models.c_header(entries)


def test_model_without_anything_is_refused() -> None:
    class Nothing(hwsim.Model):
        pass

    with pytest.raises(InvalidArgument, match="Nothing has no registers and no memories"):
        _ = Nothing.map
    with pytest.raises(InvalidArgument, match="up to 65535 registers, and one or a memory"):
        Map("nothing", [])


# ------------------------------------------------------------------------- written and read again


def same(one: Map, other: Map) -> bool:
    """Whether they say the same, but for what a file said that no map can."""
    names = (
        *("name", "description", "channels", "byte_order", "registers", "memories"),
        *("fifos", "rules", "outputs"),
    )
    return all(getattr(one, name) == getattr(other, name) for name in names)


EVERYTHING = Map(
    "no: yes",
    [
        RegisterInfo("NO", 0, 64, "RW", 5, 0xFF00, "a: 'b' # c\nd", role=""),
        RegisterInfo("1e3", 4, 32, "RO", 0, view=True, inside=(0, 0)),
        RegisterInfo("null", 2, 16, "WO", 0, 1, view=True, inside=(0, 32)),
        RegisterInfo("=", 0, 64, "RO", 5, view=True),
        RegisterInfo("ROLE", 8, 32, "RO", role="uptime"),
        RegisterInfo("CLEARS", 12, 8, "RC", 3),
        RegisterInfo("SHOWN", 20, 32, "RO", 0x11, alias=16),
        RegisterInfo(
            *("on", 16, 32, "RW", 0x11, 0, "", ()),
        )._replace(
            fields=(
                FieldInfo("A", 0, 4, enum=(EnumValue("off", 0, "not: on"), EnumValue("~", 1))),
                FieldInfo("B", 4, 4, False, constraint="range", lowest=1, highest=3),
                FieldInfo("C", 2, 4, view=True),
                FieldInfo("D", 8, 1, False, False),
                FieldInfo("E", 9, 1, True, True, "rset", "wzt", True, True, "all"),
                FieldInfo(*("F", 10, 2), enum=(EnumValue("X", 1),), constraint="enumerated"),
            )
        ),
    ],
    [MemoryInfo("M", 0x100, 3, 64, "WO", "words")],
    outputs=[OutputInfo("O", "on.A", "offset", 2.5)],
    rules=[RuleInfo("written", "set", on="NO", target="on.A", value=3, delay=1e-3)],
    description="- x",
    channels=3,
    byte_order="big",
)


@pytest.mark.parametrize(
    "name",
    [
        "everything",
        "daq",
        "adc.svd",
        "adc.svd:ADC1",
        "relay.yaml",
        *(
            pytest.param(each, marks=needs_rdl)
            for each in ("timer.rdl", "uart.xml", "sensor.xml", "sensor.xml:debug")
        ),
    ],
)
def test_yaml_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    if name == "daq":
        with hwsim.open("hwsim://daq") as device:
            entries = device.map
    else:
        entries = EVERYTHING if name == "everything" else load(FILES / name)
    copy = load(written(tmp_path / "copy.yaml", models.yaml_of(entries)))
    assert copy.registers == entries.registers
    assert same(copy, entries)


def test_view_that_lies_in_no_register_is_refused(tmp_path: Path) -> None:
    text = (
        "{hwsim: 1, name: x, registers: {A: {address: 0, bits: 16}, B: {address: %s, view: true}}}"
    )
    for address in (0, 4):
        with pytest.raises(InvalidArgument, match="register B: is a view, but lies in no other"):
            load(written(tmp_path / "view.yaml", text % address))


def test_c_header_names_each_once(tmp_path: Path) -> None:
    entries = Map(
        "3d",
        [
            RegisterInfo("A.B", 0, fields=(FieldInfo("X", 0), FieldInfo("x", 1))),
            RegisterInfo("A_B", 4),
            RegisterInfo("A_B.RESET", 8, 16),
            RegisterInfo("HALF", 8, 8, view=True, inside=(8, 0)),
        ],
    )
    text = models.c_header(entries)
    names = re.findall(r"#define (\w+) \S", text)
    assert len(names) == len(set(names)) and "_3D_A_B_2" in names and "_3D_HALF" in names
    program = written(tmp_path / "check.c", f'{text}\n_Static_assert(_3D_A_B_2 == 4, "");\n')
    subprocess.run(["cc", "-fsyntax-only", "-Werror", str(program)], check=True)
    assert "bits 7..0 of the register at 0x08" in models.markdown(entries)
