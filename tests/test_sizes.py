"""What a reader can hold at once: a cap on the length of modules and of examples."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("folder", "cap"), [("src", 320), ("examples", 80)])
def test_no_file_is_longer_than_its_cap(folder: str, cap: int) -> None:
    long = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / folder).rglob("*.py")}
    offenders = [f"{path.relative_to(ROOT)}: {n} lines, at most {cap}" for path, n in sorted(long.items()) if n > cap]
    assert not offenders, "split by duty:\n" + "\n".join(offenders)
