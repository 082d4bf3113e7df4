"""The trace: spans of threads, and the forms in which they are drawn."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
import threading
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

import controls
import hwsim
from conftest import LIMIT, run_script
from hwsim import proof

_trace = pytest.importorskip("hwsim.proof._trace")
pytestmark = pytest.mark.skipif(not _trace.supported(), reason="no trace on this system")


def recorded(control: str) -> proof.Timeline:
    """Two threads that call a control once each."""
    script = f"""
        import json, sys, threading
        from dataclasses import asdict
        import {control}
        from hwsim import proof

        def work():
            {control}.wait(0.1)
            {control}.wait(0.1)

        with proof.trace() as timeline:
            thread = threading.Thread(target=work, name="worker")
            thread.start()
            thread.join()
        print(json.dumps(asdict(timeline)))
    """
    controls.build(control)
    path = f"import sys; sys.path.insert(0, {str(controls.folder())!r})\n"
    data = json.loads(run_script(script, setup=path).check())
    lanes = [
        proof.Lane(**{**lane, "spans": tuple(proof.Span(**span) for span in lane["spans"])})
        for lane in data["lanes"]
    ]
    calls = [proof.Call(**call) for call in data["calls"]]
    return proof.Timeline(data["duration_us"], lanes, calls, data["sees_own"])


def needs_own(timeline: proof.Timeline) -> None:
    """Skips a test in which a thread waits for one of the interpreter's own locks."""
    if not timeline.sees_own:
        pytest.skip("releases by an interpreter that is linked statically are not seen")


def total(lane: proof.Lane, state: str, name: str) -> float:
    """Milliseconds of a lane in a state."""
    spans = [span for span in lane.spans if (span.state, span.name) == (state, name)]
    return sum(span.end_us - span.start_us for span in spans) / 1e3


@pytest.mark.parametrize(("control", "state"), [("right", "released"), ("holds", "holding")])
def test_calls_of_a_thread_by_name(control: str, state: str) -> None:
    timeline = recorded(control)
    (lane,) = [lane for lane in timeline.lanes if lane.name == "worker"]
    assert total(lane, state, f"{control}.wait") >= 190
    (call,) = [call for call in timeline.calls if call.name == f"{control}.wait"]
    assert call.times == 2
    assert (call.held_us if control == "holds" else call.released_us) >= 190_000
    ends = [span.end_us for span in lane.spans]
    assert all(end <= span.start_us for end, span in zip(ends, lane.spans[1:], strict=False))
    assert all(0 <= span.start_us <= span.end_us <= timeline.duration_us for span in lane.spans)
    if control == "holds":
        assert total(lane, "released", "holds.wait") == 0


def test_main_thread_comes_first_and_waits_for_the_other() -> None:
    timeline = recorded("right")
    needs_own(timeline)
    main = timeline.lanes[0]
    assert main.name == "MainThread"
    assert sum(s.end_us - s.start_us for s in main.spans if s.state == "released") >= 190_000


def test_operations_have_the_names_of_the_device_and_their_own() -> None:
    """Those of the C library's table; other callables keep theirs."""
    script = """
        import hwsim
        from hwsim import proof

        devices = [hwsim.open(f"hwsim://bench{n}?latency=2ms") for n in range(2)]
        with proof.trace() as timeline:
            for device in devices:
                device.read_register(0)
                device.read_voltage(0)
                with device.stream(rate_hz=1000, total=5) as stream:
                    stream.read()
                with device.events() as events:
                    device.timer = 0.002
                    events.read()
                    device.timer = 0
        names = {span.name for lane in timeline.lanes for span in lane.spans}
        names |= {call.name for call in timeline.calls}
        print(*sorted(name for name in names if name.startswith("bench")), sep="\\n")
    """
    labels = set(run_script(script).check().splitlines())
    operations = {operation.name for operation in hwsim.operations()}
    for name in ("bench0", "bench1"):
        own = {label.removeprefix(f"{name} ") for label in labels if label.startswith(f"{name} ")}
        assert own >= {"read_register", "read_voltage", "Stream.read"}
        assert any(label.startswith("Subscription.") for label in own)
        assert {"read_register", "read_voltage"} <= operations


def test_label_that_cannot_be_had_does_no_harm() -> None:
    """A type may name the calls of its methods; one that fails leaves them their usual name."""
    script = """
        import io
        from hwsim import proof

        class Wrong(io.BytesIO):
            def __trace_label__(self, method):
                raise ValueError

        class Right(io.BytesIO):
            def __trace_label__(self, method):
                return f"memory {method}"

        with proof.trace() as timeline:
            for made in (Wrong(b"x"), Right(b"x"), Right(b"y")):
                made.read()
        calls = {call.name: call.times for call in timeline.calls}
        (wrong,) = [times for name, times in calls.items() if name.endswith(".read")]
        print(calls["memory read"], wrong)
    """
    assert run_script(script).check() == "2 1\n"


def test_time_in_python_code_is_not_held_by_the_call_that_runs_it() -> None:
    script = """
        import time
        from hwsim import proof

        def busy(number):
            end = time.perf_counter() + 0.05
            while time.perf_counter() < end:
                pass
            return number

        with proof.trace() as timeline:
            max([1, 2], key=busy)
        (call,) = [call for call in timeline.calls if call.name == "builtins.max"]
        holds = [s.end_us - s.start_us for lane in timeline.lanes for s in lane.spans
                 if s.name == "builtins.max"]
        print(call.held_us < 50_000 and sum(holds) < 50_000)
    """
    assert run_script(script).check() == "True\n"


SAMPLE = proof.Timeline(
    1000.0,
    [
        proof.Lane(
            1,
            "main <one>",
            (
                proof.Span(0.0, 500.0, "released", "vendor.read"),
                proof.Span(500.0, 600.0, "waiting", "vendor.read"),
                proof.Span(600.0, 1000.0, "holding", "vendor.</script>"),
            ),
        ),
        proof.Lane(2, "idle", (proof.Span(900.0, 1000.0, "released", ""),)),
    ],
    [
        proof.Call("vendor.</script>", 3, 400.0, 0.0, 0.0),
        proof.Call("vendor.read", 2, 0.0, 500.0, 100.0),
    ],
)


def test_threads_of_a_name_as_one_lane() -> None:
    first, second = (proof.Span(at, at + 10.0, "released", "vendor.read") for at in (0.0, 20.0))
    lanes = [
        proof.Lane(1, "pool", (second,), lost=1),
        proof.Lane(2, "main", (first,)),
        proof.Lane(3, "pool", (first,), lost=2),
    ]
    assert proof.Timeline(30.0, lanes).by_name().lanes == [
        proof.Lane(1, "pool", (first, second), lost=3),
        proof.Lane(2, "main", (first,)),
    ]


def test_terminal() -> None:
    lines = SAMPLE.timeline(width=52).splitlines()
    assert lines[0] == "main <one>  " + "░" * 20 + "·" * 4 + "█" * 16
    assert lines[1] == "idle        " + " " * 36 + "░" * 4
    assert lines[2].endswith("1 ms")
    assert "░ released  · waiting  █ holding" in lines[3]


def test_terminal_says_what_is_not_seen() -> None:
    static = replace(SAMPLE, sees_own=False)
    assert static.by_name().timeline(width=52).splitlines()[-1].startswith("not seen: ")


def test_terminal_must_be_wide_enough() -> None:
    with pytest.raises(ValueError, match="at least 40 columns, got 39"):
        SAMPLE.timeline(width=39)


def test_json_is_what_perfetto_reads(tmp_path: Path) -> None:
    SAMPLE.save(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    named = [event["args"]["name"] for event in events if event["ph"] == "M"]
    assert named == ["main <one>", "idle"]
    complete = [event for event in events if event["ph"] == "X"]
    assert [(e["tid"], e["ts"], e["dur"], e["cat"]) for e in complete] == [
        (1, 0.0, 500.0, "released"),
        (1, 500.0, 100.0, "waiting"),
        (1, 600.0, 400.0, "holding"),
        (2, 900.0, 100.0, "released"),
    ]
    assert complete[2]["name"] == "vendor.</script>"


def test_html_is_one_page_that_needs_nothing_else(tmp_path: Path) -> None:
    class Page(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.inside = False
            self.data = ""
            self.links: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.inside = ("type", "application/json") in attrs
            self.links += [str(value) for name, value in attrs if name in ("src", "href")]

        def handle_endtag(self, tag: str) -> None:
            self.inside = False

        def handle_data(self, data: str) -> None:
            self.data += data if self.inside else ""

    SAMPLE.save(tmp_path / "trace.html")
    parser = Page()
    parser.feed((tmp_path / "trace.html").read_text())
    data = json.loads(parser.data)
    assert not parser.links
    assert data["lanes"][0]["spans"][2]["name"] == "vendor.</script>"


def test_svg_is_well_formed(tmp_path: Path) -> None:
    SAMPLE.save(tmp_path / "trace.svg")
    root = ElementTree.parse(tmp_path / "trace.svg").getroot()
    titles = [e.text for e in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "vendor.read: waiting" in titles
    assert "vendor.</script>: holding" in titles


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.json, \.html, \.svg, got 'trace.txt'"):
        SAMPLE.save(tmp_path / "trace.txt")


def test_trace_and_audit_exclude_one_another() -> None:
    with proof.trace(), pytest.raises(RuntimeError, match="going on already"), proof.audit():
        pass
    assert _trace.redirected() == 0


def test_thread_that_is_released_at_the_end_is_shown_until_then() -> None:
    stop = threading.Event()
    with proof.trace() as timeline:
        thread = threading.Thread(target=stop.wait, name="waits")
        thread.start()
        time.sleep(0.05)
    stop.set()
    thread.join()
    needs_own(timeline)
    (lane,) = [lane for lane in timeline.lanes if lane.name == "waits"]
    assert lane.spans[-1].end_us == pytest.approx(timeline.duration_us, abs=1)


TRACE = "import sys; from hwsim.cli import main; sys.exit(main(['trace', *sys.argv[1:]]))"


@pytest.fixture
def program(tmp_path: Path) -> str:
    """A program that is without the GIL for a while."""
    controls.build("right")
    path = tmp_path / "program.py"
    folder = str(controls.folder())
    path.write_text(
        f"import sys; sys.path.insert(0, {folder!r}); import right; right.wait(0.05); print('done')"
    )
    return str(path)


@pytest.mark.parametrize("ending", ["json", "html", "svg"])
def test_command_writes_a_file(ending: str, program: str, tmp_path: Path) -> None:
    target = tmp_path / f"trace.{ending}"
    assert run_script(TRACE, "-o", str(target), program).check() == "done\n"
    assert "right.wait" in target.read_text()


def test_command_draws_in_the_terminal_and_refuses_other_files(program: str) -> None:
    text = run_script(TRACE, program).check()
    assert text.startswith("done\nMainThread")
    assert "░░░░░" in text
    done = run_script(TRACE, "-o", "trace.txt", program)
    assert (done.returncode, done.stdout) == (2, "")


# What a user does with the page, and what is then to be seen; runs in the browser.
SESSION = """
<pre id="seen"></pre>
<script>
function pixel(lane, us) {
  const ratio = window.devicePixelRatio || 1, pen = canvas.getContext("2d");
  const at = pen.getImageData(place(us) * ratio, (lane * ROW + 2) * ratio, 1, 1).data;
  return "#" + [...at.slice(0, 3)].map(n => n.toString(16).padStart(2, "0")).join("");
}
function send(target, kind, us, lane, more = {}) {
  const box = canvas.getBoundingClientRect();
  target.dispatchEvent(new (kind === "wheel" ? WheelEvent : MouseEvent)(kind, {bubbles: true,
    cancelable: true, clientX: box.left + place(us), clientY: box.top + lane * ROW + 5, ...more}));
}
const rows = [...document.querySelectorAll("#calls tr")];
const seen = {rows: rows.map(row => row.innerText.split("\t")),
  lanes: [[0, 450], [0, 550], [0, 810], [1, 450], [1, 950]].map(([lane, us]) => pixel(lane, us))};
send(canvas, "mousemove", 800, 0);
seen.tip = [tip.style.display, tip.textContent];
send(canvas, "mousemove", 450, 1);
seen.empty = tip.style.display;
for (let n = 0; n < 5; n++) send(canvas, "wheel", 550, 0, {deltaY: -1});
seen.zoomed = [from, to];
send(canvas, "mousedown", 550, 0);
send(canvas, "mousemove", 500, 0);
send(window, "mouseup", 500, 0);
seen.dragged = [from, to];
send(canvas, "dblclick", 550, 0);
seen.all = [from, to];
rows[1].dispatchEvent(new MouseEvent("mouseenter"));
seen.marked = [pixel(0, 490), pixel(0, 990)];
document.querySelectorAll("th")[3].click();
seen.sorted = document.querySelector("#calls td").innerText;
seen.width = document.documentElement.scrollWidth <= window.innerWidth;
document.getElementById("seen").textContent = JSON.stringify(seen);
</script>
"""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = "no-first-run disable-background-networking disable-component-update disable-sync"


@pytest.mark.skipif(not CHROMIUM, reason="the page is tried in Chromium, which is not here")
def test_page_in_a_browser(tmp_path: Path) -> None:
    page = tmp_path / "trace.html"
    page.write_text(SAMPLE.as_html() + SESSION, encoding="utf-8")
    flags = ["headless", "no-sandbox", "disable-gpu", "disable-quic", *QUIET.split()]
    flags += [f"user-data-dir={tmp_path / 'profile'}", "window-size=1200,700", "dump-dom"]
    done = subprocess.run(
        [str(CHROMIUM), *(f"--{flag}" for flag in flags), page.as_uri()],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    text = done.stdout.partition('<pre id="seen">')[2].partition("</pre>")[0]
    seen = json.loads(html.unescape(text))
    assert seen["rows"] == [
        ["vendor.</script>", "3", "0.40", "0.00", "0.00"],
        ["vendor.read", "2", "0.00", "0.50", "0.10"],
    ]
    released, waiting, holding, nothing = "#8fc98f", "#e8b84a", "#d05050", "#eeeeee"
    assert seen["lanes"] == [released, waiting, holding, nothing, released]
    assert seen["tip"] == ["block", "vendor.</script>\nholding for 400 us, from 600 us"]
    assert seen["empty"] == "none"
    start, end = seen["zoomed"]
    assert 300 < start < 550 < end < 700
    assert (550 - start) / (end - start) == pytest.approx(0.55, abs=0.01)
    moved, until = seen["dragged"]
    assert moved - start == pytest.approx(50, abs=1)
    assert until - moved == pytest.approx(end - start)
    assert seen["all"] == [0, 1000]
    assert seen["marked"][0] == released
    assert seen["marked"][1] not in (holding, nothing)  # pale: it is another call
    assert seen["sorted"] == "vendor.read"
    assert seen["width"], "wider than the window"
