"""Public register maps, against readers that know nothing of hwsim.

The files are fetched when the test runs, and are not ours to keep here. Where there is no network,
HWSIM_PUBLIC_MODELS is a folder with checkouts of the repositories, by their names.
"""

from __future__ import annotations

import os
import re
import urllib.request
import warnings
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
]
RDL = "SystemRDL/systemrdl-compiler/main"
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
CHOICES = {"r": "RO", "w": "WO", "rw": "RW", "rw1": "RW", "w1": "WO", "na": "-"}


def fetch(base: str, name: str, folder: Path) -> Path:
    kept = os.environ.get("HWSIM_PUBLIC_MODELS")
    if kept:
        repository, _, rest = base.partition("/main")
        return Path(kept, repository.split("/")[-1] + rest, name)
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
            shared = any(f"another view of {name}" in remark for remark in entries.remarks)
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
    expected = {}
    device = parser.SVDParser.for_xml_file(str(path)).get_device()
    for peripheral in device.peripherals:
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
            shared = any(f"another view of {info.name}" in remark for remark in entries.remarks)
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


@pytest.mark.parametrize("name", RDL_FILES)
def test_rdl_file_as_its_compiler_reads_it(name: str, tmp_path: Path) -> None:
    systemrdl = pytest.importorskip("systemrdl")
    path = fetch(RDL, name, tmp_path)
    entries = load(path)
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
