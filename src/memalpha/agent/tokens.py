"""Token counting with a policy's own tokenizer, cached by text (light: needs `tokenizers` only, not transformers)."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from memalpha.errors import ConfigError

NANO_FOLDER = Path(__file__).parent / "nano"
"""Holds one folder a shipped checkpoint (`warm`, `writer`) and the tokenizer that they share."""
_KEPT_TEXTS, _KEPT_LETTERS = 20_000, 1_000
"""How many counts are kept, of texts of which length: a process that runs for weeks must not grow by them."""


class TokenCounter:
    """Counts tokens as one tokenizer does; texts of the length of an entry are counted once, whoever asks again."""

    def __init__(self, tokenizer: Tokenizer, name: str) -> None:
        self.name = name
        self._tokenizer = tokenizer
        self._count = lru_cache(maxsize=_KEPT_TEXTS)(self._encode_length)

    def __call__(self, text: str) -> int:
        """Number of tokens of `text`, without special tokens around it."""
        return self._count(text) if len(text) <= _KEPT_LETTERS else self._encode_length(text)

    def _encode_length(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


def load_counter(path: Path) -> TokenCounter:
    """The counter of a `tokenizer.json`, or of the model folder that holds one; raises `ConfigError`."""
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(f"{file} is not there; expected the tokenizer.json of the policy, check the model path")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise ConfigError(f"{file} is no tokenizer ({error}); fetch it again") from error
    return TokenCounter(tokenizer, name=str(path.name))


@cache
def nano_counter() -> TokenCounter:
    """The counter of the shipped nano policy: the default wherever no other policy is named."""
    return TokenCounter(Tokenizer.from_file(str(NANO_FOLDER / "tokenizer.json")), name="nano")
