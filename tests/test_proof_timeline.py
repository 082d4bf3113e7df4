"""The trace: spans of threads, and the forms in which they are drawn."""

from __future__ import annotations

import json
import threading
import time
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

import controls
from conftest import run_script
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
    return proof.Timeline(data["duration_us"], lanes)


def total(lane: proof.Lane, state: str, name: str) -> float:
    """Milliseconds of a lane in a state."""
    spans = [span for span in lane.spans if (span.state, span.name) == (state, name)]
    return sum(span.end_us - span.start_us for span in spans) / 1e3


@pytest.mark.parametrize(("control", "state"), [("right", "released"), ("holds", "holding")])
def test_calls_of_a_thread_by_name(control: str, state: str) -> None:
    timeline = recorded(control)
    (lane,) = [lane for lane in timeline.lanes if lane.name == "worker"]
    assert total(lane, state, f"{control}.wait") >= 190
    assert all(0 <= span.start_us <= span.end_us <= timeline.duration_us for span in lane.spans)
    if control == "holds":
        assert total(lane, "released", "holds.wait") == 0


def test_main_thread_comes_first_and_waits_for_the_other() -> None:
    main = recorded("right").lanes[0]
    assert main.name == "MainThread"
    assert sum(s.end_us - s.start_us for s in main.spans if s.state == "released") >= 190_000


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
)


def test_terminal() -> None:
    lines = SAMPLE.timeline(width=52).splitlines()
    assert lines[0] == "main <one>  " + "░" * 20 + "·" * 4 + "█" * 16
    assert lines[1] == "idle        " + " " * 36 + "░" * 4
    assert lines[2].endswith("1 ms")
    assert "░ released  · waiting  █ holding" in lines[3]


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
    (lane,) = [lane for lane in timeline.lanes if lane.name == "waits"]
    assert lane.spans[-1].end_us == pytest.approx(timeline.duration_us, abs=1)


@pytest.mark.parametrize("ending", ["json", "html", "svg"])
def test_command_writes_a_file(ending: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import time; time.sleep(0.02); print('done')")
    script = "import sys; from hwsim.cli import main; sys.exit(main(['trace', *sys.argv[1:]]))"
    target = tmp_path / f"trace.{ending}"
    assert run_script(script, "-o", str(target), str(program)).check() == "done\n"
    assert "sleep" in target.read_text()


def test_command_draws_in_the_terminal_and_refuses_other_files(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import time; time.sleep(0.05)")
    script = "import sys; from hwsim.cli import main; sys.exit(main(['trace', *sys.argv[1:]]))"
    text = run_script(script, str(program)).check()
    assert text.startswith("MainThread")
    assert "░░░░░" in text
    done = run_script(script, "-o", "trace.txt", str(program))
    assert (done.returncode, done.stdout) == (2, "")
