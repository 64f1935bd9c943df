"""What goes through a network together: rows of like length, so that little of it is padding."""

from __future__ import annotations

from collections.abc import Sequence

PADDING = 0.05
"""Most of the places of a lot that may hold no token."""


def lots(lengths: Sequence[int], *, budget: int, padding: float = PADDING) -> list[list[int]]:
    """Rows by their index, each once, the longest first; a lot holds at most `budget` places, padding included.

    At most the share `padding` of its places holds no token, so that rows of unlike length do not go together. A row
    longer than the budget is a lot of its own. Rows of one length keep their order.
    """
    found: list[list[int]] = []
    held = 0
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        places = (len(found[-1]) + 1) * lengths[found[-1][0]] if found else 0
        if not found or places > budget or places - held - lengths[row] > padding * places:
            found.append([])
            held = 0
        found[-1].append(row)
        held += lengths[row]
    return found
