"""Prompt texts as files: load, fill, fingerprint.

Each file of the prompts folder opens with one comment line that says which function fills it; no model sees that line.
"""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files

from memalpha.errors import ConfigError

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_HEADER = re.compile(r"<!--[^\n]*-->[ \t]*\n")


def load(name: str) -> str:
    """The text of `prompts/<name>.md` without its header line."""
    folder = files("memalpha.agent") / "prompts"
    texts = {path.name.removesuffix(".md"): path for path in folder.iterdir() if path.name.endswith(".md")}
    if name not in texts:
        raise ConfigError(f"got the prompt name {name!r}, expected one of {', '.join(sorted(texts))}")
    text = texts[name].read_text(encoding="utf-8")
    header = _HEADER.match(text)
    if header is None:
        raise ConfigError(f"the prompt file {name}.md has no header; open it with a line `<!-- filled by ... -->`")
    return text[header.end() :].strip()


def names_in(template: str) -> frozenset[str]:
    """The names that a template wants filled."""
    return frozenset(_PLACEHOLDER.findall(template))


def fill(template: str, /, **values: str) -> str:
    """Replace each {{name}} by its value, once: braces inside a value are left alone."""
    wanted = names_in(template)
    missing, unused = sorted(wanted - set(values)), sorted(set(values) - wanted)
    if missing:
        raise ConfigError(f"the prompt names {{{{{missing[0]}}}}}, which was not given; pass {missing[0]}=...")
    if unused:
        raise ConfigError(
            f"got the value {unused[0]!r}, expected only names in the prompt: {', '.join(sorted(wanted)) or 'none'}"
        )
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def fingerprint(text: str) -> str:
    """Twelve hex digits of SHA-256, to tell in a trace which text was used."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]
