"""What a line is can be told from its words, whatever fills the frame."""

import pytest

from memalpha.data.frames import KINDS, kind_of
from memalpha.data.world import make_episode


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Ann's favourite drink is mint tea.", "facts"),
        ("As for me, the office room is 2132.", "facts"),
        ("Instead of 2132, for Waira the room is 5172 from now on.", "corrections"),
        ("I bought a blue kite from Zulaim.", "events"),
        ("The capital of telio is called Staibean.", "knowledge"),
        ("Sample: luje plate; label: 77", "examples"),
        ("The step taken in project Zu was the firm quilt.", "steps"),
        ("Did anybody find out about my office room?", "mentions"),
        ("Good morning, shall we begin?", "talk"),
        ("The treaty was signed in 1648.", None),
    ],
)
def test_kinds(line: str, kind: str | None) -> None:
    assert kind_of(line) == kind


def test_every_line_of_the_world_has_a_kind() -> None:
    texts = [line.split(": ", 1)[1] for chunk in make_episode(1, tokens=8000).chunks for line in chunk.lines]
    assert {kind_of(text) for text in texts} == set(KINDS)
