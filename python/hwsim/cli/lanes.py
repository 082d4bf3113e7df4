"""Timelines in the terminal."""

from __future__ import annotations

from rich.console import Console

from hwsim.proof.timeline import Timeline

PLAIN = str.maketrans("░·█", "-.#")  # for what cannot show anything else


def draw(console: Console, timeline: Timeline) -> None:
    """Shows it with characters, as wide as the console is."""
    text = timeline.timeline(width=max(console.width, 40))
    plain = console.options.ascii_only
    console.print(text.translate(PLAIN) if plain else text, soft_wrap=True)
