from __future__ import annotations

import pytest

from memalpha.cli.extras import need, need_training
from memalpha.errors import MissingExtraError


def test_a_missing_extra_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(MissingExtraError, match=r"needs not_there_at_all, .* pip install 'memalpha\[serve,train\]'"):
        need("serve,train", "sys", "not_there_at_all")


def test_what_is_there_is_not_asked_for() -> None:
    need_training()
