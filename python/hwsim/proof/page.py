"""The pictures of a timeline: a page of HTML, and SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from hwsim.proof.lanes import Lane

COLOURS = {"released": "#8fc98f", "waiting": "#e8b84a", "holding": "#d05050"}
ROW, LABEL, MARGIN = 24, 140, 20  # pixels
LEAST = 0.2  # pixels of a span that is drawn


def svg(duration_us: float, lanes: Sequence[Lane], width: int) -> str:
    """Draws the lanes."""
    scale = (width - LABEL - MARGIN) / (duration_us or 1.0)
    height = ROW * (len(lanes) + 1) + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, lane in enumerate(lanes):
        top = MARGIN + number * ROW
        parts.append(f'<text x="8" y="{top + 13}">{escape(lane.name[:20])}</text>')
        parts.append(
            f'<rect x="{LABEL}" y="{top}" width="{width - LABEL - MARGIN}" height="{ROW - 8}" '
            'fill="#eee"/>'
        )
        for span in sorted(lane.spans, key=lambda span: span.state != "holding"):
            size = (span.end_us - span.start_us) * scale
            if size >= LEAST:
                parts.append(
                    f'<rect x="{LABEL + span.start_us * scale:.2f}" y="{top}" '
                    f'width="{size:.2f}" height="{ROW - 8}" fill="{COLOURS[span.state]}">'
                    f"<title>{escape(span.name)}: {span.state}</title></rect>"
                )
    top = MARGIN + len(lanes) * ROW + 6
    for number, (state, colour) in enumerate(COLOURS.items()):
        left = LABEL + 110 * number
        parts.append(f'<rect x="{left}" y="{top}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{left + 18}" y="{top + 11}">{state}</text>')
    parts.append(
        f'<text x="{width - MARGIN}" y="{top + 11}" text-anchor="end">'
        f"{duration_us / 1e3:.1f} ms</text></svg>"
    )
    return "\n".join(parts)


HTML = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>hwsim: who has the GIL</title>
<style>
  body { font: 14px sans-serif; margin: 1em 2em; color: #222; }
  canvas { width: 100%; display: block; cursor: crosshair; }
  #tip { position: fixed; background: #222; color: #fff; padding: 4px 8px; border-radius: 3px;
    pointer-events: none; display: none; white-space: pre; }
  table { border-collapse: collapse; margin-top: 1.5em; }
  th, td { padding: 2px 12px 2px 0; text-align: right; }
  th:first-child, td:first-child { text-align: left; }
  thead th { border-bottom: 1px solid #888; }
  .key { display: inline-block; width: 12px; height: 12px; margin: 0 4px 0 16px; }
</style>
<h1>Who has the GIL</h1>
<p>Scroll to zoom, drag to move, double-click to see all.
<span class="key" style="background:#8fc98f"></span>released
<span class="key" style="background:#e8b84a"></span>waiting for the GIL
<span class="key" style="background:#d05050"></span>holding it in a native call</p>
<canvas id="lanes"></canvas>
<div id="tip"></div>
<table><thead><tr><th>call<th>times<th>held, ms<th>released, ms<th>waited, ms</thead>
<tbody id="calls"></tbody></table>
<script type="application/json" id="data">{{data}}</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const colours = {released: "#8fc98f", waiting: "#e8b84a", holding: "#d05050"};
const canvas = document.getElementById("lanes"), tip = document.getElementById("tip");
const ROW = 26, LABEL = 150, AXIS = 24;
let from = 0, to = data.duration || 1;

function time(us) {
  return us >= 1e6 ? (us / 1e6).toFixed(3) + " s" : us >= 1e3 ? (us / 1e3).toFixed(2) + " ms"
    : us.toFixed(1) + " us";
}
const width = () => canvas.clientWidth - LABEL;
const place = us => LABEL + (us - from) / (to - from) * width();
const moment = x => from + (x - LABEL) / width() * (to - from);

function draw() {
  const ratio = window.devicePixelRatio || 1, height = ROW * data.lanes.length + AXIS;
  canvas.style.height = height + "px";
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = "12px sans-serif";
  data.lanes.forEach((lane, number) => {
    const top = number * ROW;
    pen.fillStyle = "#eee";
    pen.fillRect(LABEL, top, width(), ROW - 6);
    for (const state of ["holding", "released", "waiting"]) {
      pen.fillStyle = colours[state];
      for (const span of lane.spans) {
        if (span.state !== state || span.end_us < from || span.start_us > to) continue;
        const left = Math.max(place(span.start_us), LABEL);
        const right = Math.min(place(span.end_us), LABEL + width());
        pen.fillRect(left, top, Math.max(right - left, 0.5), ROW - 6);
      }
    }
    pen.fillStyle = "#222";
    pen.fillText(lane.name, 4, top + 14, LABEL - 8);
  });
  pen.fillText(time(from), LABEL, height - 6);
  const end = time(to);
  pen.fillText(end, LABEL + width() - pen.measureText(end).width, height - 6);
}

function span_at(x, y) {
  const lane = data.lanes[Math.floor(y / ROW)], at = moment(x);
  if (!lane || x < LABEL) return null;
  const near = (to - from) / width() / 2;
  let found = null;
  for (const span of lane.spans) {
    if (span.start_us - near <= at && at <= span.end_us + near &&
        (!found || span.end_us - span.start_us <= found.end_us - found.start_us)) found = span;
  }
  return found;
}

let dragged = null;
canvas.addEventListener("wheel", event => {
  event.preventDefault();
  const at = moment(event.offsetX), factor = event.deltaY > 0 ? 1.25 : 0.8;
  from = Math.max(0, at - (at - from) * factor);
  to = Math.min(data.duration, at + (to - at) * factor);
  draw();
}, {passive: false});
canvas.addEventListener("mousedown", event => { dragged = event.offsetX; });
window.addEventListener("mouseup", () => { dragged = null; });
canvas.addEventListener("dblclick", () => { from = 0; to = data.duration || 1; draw(); });
canvas.addEventListener("mousemove", event => {
  if (dragged !== null) {
    let by = moment(dragged) - moment(event.offsetX);
    by = Math.max(-from, Math.min(by, data.duration - to));
    from += by;
    to += by;
    dragged = event.offsetX;
    draw();
  }
  const span = span_at(event.offsetX, event.offsetY);
  tip.style.display = span ? "block" : "none";
  if (!span) return;
  tip.textContent = (span.name || "?") + "\\n" + span.state + " " +
    time(span.end_us - span.start_us) + ", from " + time(span.start_us);
  tip.style.left = event.clientX + 12 + "px";
  tip.style.top = event.clientY + 12 + "px";
});
canvas.addEventListener("mouseleave", () => { tip.style.display = "none"; });
window.addEventListener("resize", draw);

function table() {
  const calls = new Map();
  for (const lane of data.lanes) {
    for (const span of lane.spans) {
      const key = span.name || "?", length = span.end_us - span.start_us;
      if (!calls.has(key)) calls.set(key, {times: 0, holding: 0, released: 0, waiting: 0});
      const row = calls.get(key);
      row[span.state] += length;
      if (span.state !== "waiting") row.times += span.state === "holding" || !row.holding ? 1 : 0;
    }
  }
  const held = row => Math.max(row.holding - row.released - row.waiting, 0);
  const body = document.getElementById("calls");
  for (const [name, row] of [...calls].sort((a, b) => held(b[1]) - held(a[1]))) {
    const line = body.insertRow();
    for (const text of [name, row.times, ...[held(row), row.released, row.waiting]
        .map(us => (us / 1e3).toFixed(2))]) line.insertCell().textContent = text;
  }
}
table();
draw();
</script>
</html>
"""
