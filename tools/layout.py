"""Lays generated Python out as ruff does, so that the formatter has nothing to say."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 100


def brackets(head: str, items: Sequence[str], tail: str, indent: int = 0) -> str:
    """Returns ``head``, the items and ``tail`` on one line, else on three, else one item a line."""
    margin = " " * indent
    line = f"{margin}{head}{', '.join(items)}{tail}\n"
    if len(line) <= WIDTH + 1:
        return line
    middle = f"{margin}    {', '.join(items)}\n"
    if len(middle) > WIDTH + 1:
        middle = "".join(f"{margin}    {item},\n" for item in items)
    return f"{margin}{head}\n{middle}{margin}{tail}\n"
