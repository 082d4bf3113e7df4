"""An SPI converter from an SVD file, brought to life by rules: start bit, busy flag, FIFO."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hwsim
from hwsim.models import Fifo, when_changed, when_written

SVD = """<?xml version="1.0"?>
<device>
  <name>SPIADC</name>
  <size>16</size>
  <peripherals>
    <peripheral>
      <name>ADC</name>
      <baseAddress>0</baseAddress>
      <registers>
        <register>
          <name>CTRL</name><addressOffset>0</addressOffset>
          <fields>
            <field><name>START</name><bitOffset>0</bitOffset></field>
            <field><name>EN</name><bitOffset>1</bitOffset></field>
          </fields>
        </register>
        <register>
          <name>STATUS</name><addressOffset>2</addressOffset><access>read-only</access>
          <fields>
            <field><name>BUSY</name><bitOffset>0</bitOffset></field>
            <field><name>LEVEL</name><bitRange>[7:4]</bitRange></field>
          </fields>
        </register>
        <register>
          <name>DATA</name><addressOffset>4</addressOffset><access>read-only</access>
        </register>
      </registers>
    </peripheral>
  </peripherals>
</device>
"""
FILE = Path(tempfile.mkdtemp(), "adc.svd")
FILE.write_text(SVD, encoding="utf-8")


class Adc(hwsim.Model):
    """What the file cannot say: when things happen."""

    source = f"{FILE}:ADC"
    samples = Fifo(8, data="DATA", pops=True, level="STATUS.LEVEL")
    rules = (
        when_written("CTRL.START", 1).given("CTRL.EN").set("STATUS.BUSY"),
        when_changed("STATUS.BUSY", 1).after(20e-6, jitter=2e-6).convert(0, samples),
        when_changed("STATUS.BUSY", 1).after(25e-6).clear("STATUS.BUSY"),
        when_changed("STATUS.BUSY", 0).clear("CTRL.START"),
    )


with hwsim.open("hwsim://adc0?clock=virtual&latency=5us&noise=0V", model=Adc) as adc:
    adc.set_signal(0, "dc", offset=2.5)
    registers = adc.registers
    registers.CTRL.EN.write(1)
    for _ in range(3):
        registers.CTRL.START.write(1)
        registers.STATUS.BUSY.wait(0)
    print("samples in the FIFO:", registers.STATUS.LEVEL.read())
    codes = [registers.DATA.read() for _ in range(3)]
    print("volts:", [code * 10 / 32768 for code in codes], f"after {adc.now * 1e6:.0f} us")
    assert codes == [8192] * 3
