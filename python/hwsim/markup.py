"""Tables for notebooks: what ``_repr_html_`` of the other modules returns. All text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def escape(text: object) -> str:
    """Returns text as it stands in HTML."""
    import html  # noqa: PLC0415 - for notebooks only

    return html.escape(str(text))


def table(title: str, rows: Iterable[Sequence[object]], headings: Sequence[str] = ()) -> str:
    """Returns a table with a title.

    Args:
        title: Stands above it.
        rows: Their cells; the first of a row is its heading.
        headings: Of the columns.
    """
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    lines = [
        '<table style="text-align: left">',
        f'<caption style="text-align: left"><b>{escape(title)}</b></caption>',
        f"<thead><tr>{head}</tr></thead>" if headings else "",
        "<tbody>",
    ]
    for first, *others in rows:
        cells = "".join(f'<td style="text-align: left">{escape(cell)}</td>' for cell in others)
        lines.append(f'<tr><th style="text-align: left">{escape(first)}</th>{cells}</tr>')
    return "\n".join([*lines, "</tbody>", "</table>"])
