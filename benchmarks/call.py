"""What does one short call cost, against an extension written by hand that releases the GIL?

``python -m benchmarks.call [--json] [--quick]``, from the root of the repository. A register of a
device without latency is read and written; the cases take turns, so that a change of the machine's
speed meets all of them. Prints nanoseconds, which mean nothing elsewhere, and ratios, which do.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import timeit

import hwsim
from benchmarks import peers

STATEMENTS = {
    "read": {
        "handwritten, releases": "theirs.read_register(64)",
        "hwsim read_register": "ours.read_register(64)",
        "hwsim device[address]": "ours[64]",
        "hwsim, policy release": "ours.read_register(64)",
    },
    "write": {
        "handwritten, releases": "theirs.write_register(64, 5)",
        "hwsim write_register": "ours.write_register(64, 5)",
        "hwsim device[address] =": "ours[64] = 5",
        "hwsim, policy release": "ours.write_register(64, 5)",
    },
}


def measure(repeats: int, number: int) -> dict[str, dict[str, list[float]]]:
    """Returns nanoseconds a call, by question and case, one for each repeat."""
    names = {
        "theirs": peers.handwritten().Device("hwsim://theirs?latency=0s"),
        "ours": hwsim.open("hwsim://ours?latency=0s"),
    }
    result: dict[str, dict[str, list[float]]] = {}
    for question, cases in STATEMENTS.items():
        times: dict[str, list[float]] = {name: [] for name in cases}
        for repeat in range(repeats + 1):
            for name, statement in cases.items():
                with hwsim.gil.policy("release" if "policy" in name else "auto"):
                    seconds = timeit.timeit(statement, globals=names, number=number)
                if repeat:  # the first is the warm-up
                    times[name].append(seconds / number * 1e9)
        result[question] = times
    return result


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the measurements as JSON")
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    options = parser.parse_args()
    times = measure(*((5, 50_000) if options.quick else (21, 200_000)))
    if options.json:
        print(json.dumps({"python": sys.version, "machine": platform.machine(), "ns": times}))
        return
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"Python {platform.python_version()}, GIL {'on' if gil else 'off'}, {platform.machine()}")
    for question, cases in times.items():
        yardstick = next(iter(cases.values()))
        print(f"\n{question:<26}{'ns: min':>9}{'median':>8}{'max':>8}   ratio: min  median     max")
        for name, values in cases.items():
            ratios = [ours / theirs for ours, theirs in zip(values, yardstick, strict=True)]
            row = [f(column) for column in (values, ratios) for f in (min, statistics.median, max)]
            print(
                f"{name:<26}{row[0]:>9.0f}{row[1]:>8.0f}{row[2]:>8.0f}"
                f"{row[3]:>13.2f}{row[4]:>8.2f}{row[5]:>8.2f}"
            )


if __name__ == "__main__":
    main()
