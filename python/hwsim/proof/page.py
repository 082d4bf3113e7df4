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
        for span in lane.spans:
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
  body { font: 14px system-ui, sans-serif; margin: 1em 2em; color: #222; background: #fff; }
  h1 { font-size: 1.4em; margin: 0 0 .4em; }
  #about { color: #555; }
  #key { margin-left: -16px; }
  #key span::before { content: ""; display: inline-block; width: 12px; height: 12px;
    margin: 0 5px -1px 16px; background: var(--colour); }
  canvas { width: 100%; display: block; cursor: crosshair; margin-top: 1em; }
  #tip { position: fixed; background: #222; color: #fff; padding: 4px 8px; border-radius: 3px;
    pointer-events: none; display: none; white-space: pre; }
  table { border-collapse: collapse; margin-top: 1.5em; font-variant-numeric: tabular-nums; }
  th, td { padding: 2px 0 2px 24px; text-align: right; }
  th:first-child, td:first-child { padding-left: 4px; text-align: left; }
  th { cursor: pointer; border-bottom: 1px solid #888; }
  th.sorted::after { content: " ▾"; }
  tbody tr:hover { background: #eef; }
  .none { color: #aaa; }
</style>
<h1>Who has the GIL</h1>
<div id="key">
<span style="--colour:#8fc98f">released</span>
<span style="--colour:#e8b84a">waiting for the GIL</span>
<span style="--colour:#d05050">holding it in a native call</span>
<span style="--colour:#eee">Python code, or not seen</span></div>
<p id="about">Scroll to zoom, drag to move, double-click to see all. Point at a call in the table to
find it in the lanes.</p>
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
const ROW = 26, BAR = 20, LABEL = 150, AXIS = 24, LEAST = 1;
const all = data.duration || 1;
let from = 0, to = all, marked = null, dragged = null;

function time(us) {
  const [size, unit] = us >= 1e6 ? [1e6, " s"] : us >= 1e3 ? [1e3, " ms"] : [1, " us"];
  return Number((us / size).toPrecision(4)) + unit;
}
const width = () => canvas.clientWidth - LABEL;
const place = us => LABEL + (us - from) / (to - from) * width();
const moment = x => from + (x - LABEL) / width() * (to - from);

function first_after(spans, us) {  // the first span that ends after a moment
  let low = 0, high = spans.length;
  while (low < high) {
    const middle = low + high >> 1;
    if (spans[middle].end_us < us) low = middle + 1; else high = middle;
  }
  return low;
}

function clipped(pen, text, space) {
  while (text && pen.measureText(text).width > space)
    text = text.length > 2 ? text.slice(0, Math.max(text.length - 3, 1)) + "…" : "";
  return text;
}

function draw_lane(pen, lane, top) {
  pen.fillStyle = "#eee";
  pen.fillRect(LABEL, top, width(), BAR);
  for (let n = first_after(lane.spans, from); n < lane.spans.length; n++) {
    const span = lane.spans[n];
    if (span.start_us > to) break;
    const left = Math.max(place(span.start_us), LABEL);
    const right = Math.min(place(span.end_us), LABEL + width());
    pen.globalAlpha = marked === null || span.name === marked ? 1 : 0.25;
    pen.fillStyle = colours[span.state];
    pen.fillRect(left, top, Math.max(right - left, 0.5), BAR);
    if (right - left < 50) continue;
    pen.fillStyle = "#222";
    pen.fillText(clipped(pen, span.name, right - left - 10), left + 5, top + 14);
  }
  pen.globalAlpha = 1;
  pen.fillStyle = "#222";
  pen.fillText(clipped(pen, lane.name, LABEL - 12), 4, top + 14);
}

function draw_axis(pen, top) {
  const rough = (to - from) / Math.max(width() / 110, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough);
  pen.textAlign = "center";
  for (let n = Math.ceil(from / step); n * step <= to; n++) {
    const x = place(n * step), text = time(n * step), half = pen.measureText(text).width / 2;
    pen.fillStyle = "rgba(0, 0, 0, .12)";
    pen.fillRect(x, 0, 1, top);
    pen.fillStyle = "#555";
    pen.fillText(text, Math.min(Math.max(x, LABEL + half), LABEL + width() - half), top + 14);
  }
  pen.textAlign = "left";
}

function draw() {
  const ratio = window.devicePixelRatio || 1, height = ROW * data.lanes.length + AXIS;
  canvas.style.height = height + "px";
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = "12px system-ui, sans-serif";
  data.lanes.forEach((lane, number) => draw_lane(pen, lane, number * ROW));
  draw_axis(pen, ROW * data.lanes.length);
}

function span_at(x, y) {
  const lane = data.lanes[Math.floor(y / ROW)];
  if (!lane || x < LABEL || y % ROW > BAR) return null;
  const at = moment(x), near = (to - from) / width();
  const span = lane.spans[first_after(lane.spans, at - near)];
  return span && span.start_us - near <= at ? span : null;
}

function show(start, end) {
  const size = Math.min(Math.max(end - start, LEAST), all);
  from = Math.min(Math.max(start, 0), all - size);
  to = from + size;
  draw();
}

canvas.addEventListener("wheel", event => {
  event.preventDefault();
  const at = moment(Math.max(event.offsetX, LABEL)), factor = event.deltaY > 0 ? 1.25 : 0.8;
  show(at - (at - from) * factor, at + (to - at) * factor);
}, {passive: false});
canvas.addEventListener("mousedown", event => { dragged = event.offsetX; });
window.addEventListener("mouseup", () => { dragged = null; });
canvas.addEventListener("dblclick", () => show(0, all));
canvas.addEventListener("mousemove", event => {
  if (dragged !== null) {
    const by = moment(dragged) - moment(event.offsetX);
    dragged = event.offsetX;
    show(from + by, to + by);
  }
  const span = span_at(event.offsetX, event.offsetY);
  tip.style.display = span ? "block" : "none";
  if (!span) return;
  tip.textContent = (span.name || "a call that is not known") + "\\n" + span.state + " for " +
    time(span.end_us - span.start_us) + ", from " + time(span.start_us);
  const left = Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 8);
  tip.style.left = left + "px";
  tip.style.top = event.clientY + 12 + "px";
});
canvas.addEventListener("mouseleave", () => { tip.style.display = "none"; });
window.addEventListener("resize", draw);

const COLUMNS = ["name", "times", "held_us", "released_us", "waiting_us"];
const heads = document.querySelectorAll("th");

function fill(column) {
  const text = column === "name", body = document.getElementById("calls");
  heads.forEach((head, n) => head.classList.toggle("sorted", COLUMNS[n] === column));
  data.calls.sort((a, b) => text ? a.name.localeCompare(b.name) : b[column] - a[column]);
  body.replaceChildren();
  for (const call of data.calls) {
    const line = body.insertRow();
    for (const name of COLUMNS) {
      const cell = line.insertCell(), us = name.endsWith("_us");
      cell.textContent = us ? (call[name] / 1e3).toFixed(2) : call[name];
      cell.classList.toggle("none", us && call[name] < 5);
    }
    line.addEventListener("mouseenter", () => { marked = call.name; draw(); });
    line.addEventListener("mouseleave", () => { marked = null; draw(); });
  }
}
heads.forEach((head, n) => head.addEventListener("click", () => fill(COLUMNS[n])));
const lost = data.lanes.reduce((sum, lane) => sum + lane.lost, 0);
if (lost) document.getElementById("about").append(` ${lost} spans were too many and are missing.`);
if (!data.lanes.length) document.getElementById("about").textContent = "Nothing was recorded.";
fill("held_us");
draw();
</script>
</html>
"""
