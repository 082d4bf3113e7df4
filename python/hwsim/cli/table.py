"""The tables of all commands: a line under the headings, and no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Returns a table of text, aligned on the left."""
    result = empty_table(*titles)
    for row in rows:
        result.add_row(*row)
    return result


def empty_table(*titles: str, **layout: Any) -> Table:
    """Returns a table to which columns and rows can be added; ``layout`` as rich takes it."""
    return Table(*titles, box=box.SIMPLE_HEAD, pad_edge=False, **layout)
