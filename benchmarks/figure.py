"""Draws docs/call-cost.svg: what a call costs by each binding, alone and beside a busy thread.

``python -m benchmarks`` draws it from what it measured. The drawing follows the reader's light or
dark theme.
"""

from __future__ import annotations

import math
import platform
import statistics

from benchmarks.harness import ROOT, Results, number

TARGET = ROOT / "docs" / "call-cost.svg"
NAMES = {
    "hwsim": "hwsim",
    "handwritten": "C extension by hand",
    "cython": "Cython",
    "nanobind": "nanobind",
    "pybind11": "pybind11",
    "cffi": "cffi, API mode",
    "swig": "SWIG, -threads",
    "ctypes": "ctypes",
}
TICKS = {1e-8: "10 ns", 1e-7: "100 ns", 1e-6: "1 µs", 1e-5: "10 µs", 1e-4: "100 µs", 1e-3: "1 ms"}
WIDTH, LEFT, RIGHT, TOP, ROW = 800, 190, 770, 122, 34

HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">
<title>What a call costs, by binding</title>
<style>
.page {{ fill: #ffffff; stroke: #d1d9e0; }} text {{ fill: #1f2328; }} .quiet {{ fill: #59636e; }}
.grid {{ stroke: #e4e8ec; }} .span {{ stroke: #c8d1da; }} .alone {{ fill: #0969da; }}
.beside {{ fill: #d1570b; }} .own {{ fill: #0969da; fill-opacity: 0.08; }}
@media (prefers-color-scheme: dark) {{
.page {{ fill: #0d1117; stroke: #3d444d; }} text {{ fill: #f0f6fc; }} .quiet {{ fill: #9198a1; }}
.grid {{ stroke: #262c36; }} .span {{ stroke: #49525e; }} .alone {{ fill: #58a6ff; }}
.beside {{ fill: #f0883e; }} .own {{ fill: #58a6ff; fill-opacity: 0.13; }}
}}
text {{ font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }}
.title {{ font-size: 19px; font-weight: 600; }} .bold {{ font-weight: 600; }}
.end {{ text-anchor: end; }} .middle {{ text-anchor: middle; }}
.value {{ font-size: 12px; }} .span {{ stroke-width: 3; stroke-linecap: round; }}
</style>
<rect class="page" x="0.5" y="0.5" width="{page_width}" height="{page_height}" rx="8"/>
<text class="title" x="24" y="36">What a call costs</text>
<text class="quiet" x="24" y="58">Reading a register of a device that answers at once. All but\
 hwsim release the GIL around it. {python}</text>
<circle class="alone" cx="30" cy="80" r="6"/><text x="43" y="84.5">alone</text>
<circle class="beside" cx="102" cy="80" r="6"/><text x="115" y="84.5">beside one CPU-bound Python\
 thread, on another processor</text>
"""


def x(seconds: float) -> float:
    """Returns the place of a time on the axis."""
    first, last = math.log10(min(TICKS)), math.log10(max(TICKS))
    return LEFT + (RIGHT - LEFT) * (math.log10(seconds) - first) / (last - first)


def time(seconds: float) -> str:
    """Returns a time with its unit."""
    unit, scale = ("ns", 1e9) if seconds < 1e-6 else ("µs", 1e6)
    return f"{number(float(f'{seconds * scale:.2g}'))} {unit}"


def draw(alone: Results, beside: Results) -> None:
    """Draws the seconds a call of the one, and the calls a second of the other."""
    costs = {
        name: (
            statistics.median(alone["figures"][name]),
            1 / statistics.median(beside["figures"][name]),
        )
        for name in NAMES
        if name in alone["figures"] and name in beside["figures"]
    }
    bottom = TOP + ROW * len(costs)
    height = bottom + 44
    lines = [
        HEAD.format(
            width=WIDTH,
            height=height,
            page_width=WIDTH - 1,
            page_height=height - 1,
            python=f"CPython {platform.python_version()}",
        )
    ]
    for tick, label in TICKS.items():
        lines.append(f'<path class="grid" d="M{x(tick):.1f} {TOP - 8}V{bottom}"/>')
        lines.append(
            f'<text class="quiet middle" x="{x(tick):.1f}" y="{bottom + 20}">{label}</text>'
        )
    for row, (name, (low, high)) in enumerate(sorted(costs.items(), key=lambda item: item[1])):
        y = TOP + ROW * (row + 0.5) - 4
        weight = "bold" if name == "hwsim" else ""
        if weight:
            lines.append(
                f'<rect class="own" x="12" y="{y - ROW / 2}" width="{WIDTH - 24}" '
                f'height="{ROW}" rx="6"/>'
            )
        left, right = sorted((x(low), x(high)))
        lines += [
            f'<text class="end {weight}" x="{LEFT - 40}" y="{y + 4.5}">{NAMES[name]}</text>',
            f'<path class="span" d="M{left:.1f} {y}H{right:.1f}"/>',
            f'<circle class="alone" cx="{x(low):.1f}" cy="{y}" r="6"/>',
            f'<circle class="beside" cx="{x(high):.1f}" cy="{y}" r="6"/>',
            f'<text class="value end {weight}" x="{left - 12:.1f}" y="{y + 4}">{time(low)}</text>',
            f'<text class="value {weight}" x="{right + 12:.1f}" y="{y + 4}">{time(high)}</text>',
        ]
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text("\n".join([*lines, "</svg>\n"]))
