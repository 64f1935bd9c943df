"""The vocabulary of the synthetic world: word lists, invented names, and the pools that keep the splits apart.

A name or a value belongs to exactly one split, decided by a checksum of its text, so that no question of validation or
test has a name or an answer of training. Shared by all splits are sentence frames, the words of small talk, dates and
the two digits of labels.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from enum import StrEnum


class Split(StrEnum):
    """Which pool of names and values an episode draws from."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


ADJECTIVES = (
    "amber ancient bitter black blue brave bright broad bronze calm clear clever coarse cold copper cosy crimson dark "
    "deep distant dry dusty early eastern empty fair faint fine firm fresh gentle golden grand green grey heavy "
    "hidden high hollow humble icy iron ivory late lean light little lively lonely long loud lucky mellow mild misty "
    "narrow neat noble northern old olive open pale plain polished proud purple quick quiet rapid rare red rich rough "
    "round royal rusty scarlet sharp shiny short silent silver simple slow small smooth soft solid southern spare "
    "square steady steep stone strong sunny sweet tall tame thick thin tidy tiny velvet violet warm western white "
    "wide wild wise wooden yellow young"
).split()

NOUNS = (
    "anchor apple arrow badge barn basket beach bell bench berry bird boat book bottle bowl bridge broom brush bucket "
    "button cabin candle canoe cap card carpet castle chain chair cherry clock cloud coat coin compass cup curtain "
    "desk door dove drum engine falcon feather fence field flag flute forest fork fountain fox garden gate glass "
    "glove hammer harbour hat hill hook horn horse island jacket jar kettle key kite ladder lamp lantern leaf lemon "
    "letter lock map maple market mill mirror moon mountain nest oak onion orchard owl paint paper path pear pebble "
    "pencil piano pillow pine plate plum pond quilt raven ribbon ring river road robin rope rose sail saddle salt "
    "scarf school shell ship shoe spoon stable stamp star stone stove swan table tent tiger tower train tree tulip "
    "tunnel valley vase village violin wagon wall watch well whale wheel willow window wing winter wolf"
).split()

_ONSETS = "b br d dr f g gr h j k kr l m n p pl r s st t tr v w z".split()
_NUCLEI = "a e i o u ai ea io".split()
_CODAS = ["", "l", "n", "r", "s", "m", "th"]


def split_of(word: str) -> Split:
    """The one split that a name or a value belongs to: three fifths train, a fifth each validation and test."""
    return (Split.TRAIN, Split.TRAIN, Split.TRAIN, Split.VALIDATION, Split.TEST)[zlib.crc32(word.encode()) % 5]


class Pools:
    """Draws names and values of one split; a name is drawn at most once, a value may come again."""

    def __init__(self, rng: random.Random, split: Split) -> None:
        self._rng = rng
        self._split = split
        self._used: set[str] = set()

    def name(self) -> str:
        """An invented capitalised name that no earlier call returned."""
        return self._draw(lambda: self.nonce().capitalize(), unique=True)

    def word(self) -> str:
        """An invented word in lower case that no earlier call returned."""
        return self._draw(self.nonce, unique=True)

    def phrase(self) -> str:
        """An adjective and a noun, such as "amber kettle"."""
        return self._draw(lambda: f"{self._rng.choice(ADJECTIVES)} {self._rng.choice(NOUNS)}", unique=False)

    def number(self) -> str:
        """A number of three or four digits."""
        return self._draw(lambda: str(self._rng.randint(100, 9999)), unique=False)

    def nonce(self) -> str:
        """Two or three syllables of no language; not bound to a split."""
        syllables = self._rng.choice((2, 2, 3))
        parts = [self._rng.choice(_ONSETS) + self._rng.choice(_NUCLEI) for _ in range(syllables)]
        return "".join(parts) + self._rng.choice(_CODAS)

    def _draw(self, make: Callable[[], str], *, unique: bool) -> str:
        while True:
            word = make()
            if split_of(word.lower()) is self._split and not (unique and word.lower() in self._used):
                if unique:
                    self._used.add(word.lower())
                return word
