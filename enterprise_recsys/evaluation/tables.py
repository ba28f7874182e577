"""Cells become aligned lines of plain text, in as many blocks as the width asks for."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 110
"""Columns of a terminal that a table stays within."""


def columns_of_text(rows: Sequence[Sequence[str]], *, width: int = WIDTH) -> list[str]:
    """Align cells; columns that do not fit go on in a further block, which repeats the first column.

    Args:
        rows: cells, the head first; all rows of one length. The first column is aligned left, the others right.
        width: signs that a line may have; one column that is wider by itself stands alone and is not cut.

    >>> columns_of_text([["", "Recall"], ["ours", "0.5"]])
    ['      Recall', 'ours     0.5']
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    blocks: list[list[int]] = [[]]
    used = widths[0]
    for place, wide in enumerate(widths[1:], start=1):
        if blocks[-1] and used + 2 + wide > width:
            blocks.append([])
            used = widths[0]
        blocks[-1].append(place)
        used += 2 + wide
    lines: list[str] = []
    for block in blocks:
        lines += [""] if lines else []
        for row in rows:
            cells = [row[0].ljust(widths[0]), *(row[place].rjust(widths[place]) for place in block)]
            lines.append("  ".join(cells).rstrip())
    return lines
