"""Other forms of an English word, by its spelling: "lives", "lived" and "living" for "live".

No dictionary: some of the forms are no words, which costs a look-up and nothing else, and irregular ones ("went") are
not known. Words of other languages have few forms that occur.
"""

from __future__ import annotations

from functools import lru_cache

_VOWELS = frozenset("aeiouy")
_SHORTEST = 3
"""Letters of a stem; what is left of shorter words says too little."""


@lru_cache(maxsize=10_000)
def forms(word: str) -> tuple[str, ...]:
    """A word in lower case, and then its other forms."""
    return tuple(dict.fromkeys((word, *(form for stem in _stems(word) for form in _inflected(stem)))))


def _stems(word: str) -> list[str]:
    """The word, and what it may be a form of."""
    found = [word]
    if word.endswith("ies"):
        found.append(word[:-3] + "y")
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        found.append(word[:-1])
        if word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
            found.append(word[:-2])
    elif word.endswith("ied"):
        found.append(word[:-3] + "y")
    elif word.endswith("eed"):  # agreed; but need, feed
        found += [word[:-1]] if _spoken(word[:-3]) else []
    elif word.endswith(("ed", "ing")):
        cut = word.removesuffix("ed") if word.endswith("ed") else word.removesuffix("ing")
        found += [cut, cut + "e"] if _spoken(cut) else []
        if cut[-1:] == cut[-2:-1]:  # stopped, running
            found.append(cut[:-1])
    return [stem for stem in found if len(stem) >= _SHORTEST and stem.isalpha() and _spoken(stem)]


def _spoken(stem: str) -> bool:
    """Whether it has a vowel."""
    return not _VOWELS.isdisjoint(stem)


def _inflected(stem: str) -> list[str]:
    found = [stem, stem + "s", stem + "es", stem + "ed", stem + "ing"]
    if stem.endswith("e"):
        found += [stem + "d", stem[:-1] + "ing"]
    elif stem.endswith("y"):
        found += [stem[:-1] + "ies", stem[:-1] + "ied"]
    elif stem[-2] in _VOWELS and stem[-1] not in _VOWELS:
        found += [stem + stem[-1] + "ed", stem + stem[-1] + "ing"]
    return found
