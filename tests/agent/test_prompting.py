"""Loading, filling and pinning the prompt texts."""

import pytest

from memalpha.agent.prompting import fill, fingerprint, load, names_in
from memalpha.errors import ConfigError


def test_load_strips_the_header() -> None:
    text = load("judge_entry")
    assert text.startswith("You check one entry")
    assert "<!--" not in text
    assert text == text.strip()


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"'\.\./judge', expected one of .*judge_answer"):
        load("../judge")


def test_fill_replaces_each_name_once() -> None:
    assert fill('{{a}} and {{ b }} and {{a}}: {"x": 1}', a="{{b}}", b="2") == '{{b}} and 2 and {{b}}: {"x": 1}'


def test_fill_refuses_missing_and_unused_names() -> None:
    with pytest.raises(ConfigError, match=r"\{\{b\}\}, which was not given"):
        fill("{{a}} {{b}}", a="1")
    with pytest.raises(ConfigError, match="got the value 'c', expected only names in the prompt: a"):
        fill("{{a}}", a="1", c="2")


def test_a_value_may_be_called_template() -> None:
    assert fill("{{template}}", template="x") == "x"


def test_fingerprint() -> None:
    assert fingerprint("") == "e3b0c44298fc"


def test_the_names_of_a_template() -> None:
    assert names_in("{{a}} {{ b }} {{a}} {c}") == {"a", "b"}
