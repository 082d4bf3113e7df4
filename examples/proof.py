"""Assert what a binding promises: here of hwsim's own calls, each in fresh processes.

In a test suite of your own, name the calls of your module. Each assertion returns what it found;
where it does not hold, it raises AssertionError, which says what to do about it.
"""

from hwsim import proof

SLOW = "import hwsim; device = hwsim.open('hwsim://daq0?latency=400ms')"
FAST = "import hwsim; device = hwsim.open('hwsim://daq0?latency=0s')"

if __name__ == "__main__":  # a fresh process may import this program
    finding = proof.assert_interruptible("device.read_voltage", 0, setup=SLOW)
    print(f"Ctrl-C: {finding.verdict}, after {finding.figures['interrupt_ms']} ms")

    finding = proof.assert_no_leak("device.read_register", 0, errors=[(-1,), ("x",)], setup=FAST)
    for path, figures in finding.figures.items():
        print(f"{path}: {figures['outcome']}, {finding.verdict}")
