"""The sentence frames of the synthetic world: statements, corrections, events, knowledge, distractors and small talk.

All splits share them; what fills the braces is drawn from the pools of one split (`memalpha.data.words`). A frame reads
{of} as a possessive ("Ann's", "my"), {who} as its subject, {a} {b} as an attribute, {v} and {old} as values, {p} as a
person, {w} as an invented word, {n} as a name and {d} as a number; in small talk {a} is an adjective and {n} a noun.
"""

from __future__ import annotations

import re
from functools import lru_cache

ATTRIBUTES = (
    ("favourite", "drink", "phrase"),
    ("home", "town", "name"),
    ("badge", "number", "number"),
    ("locker", "code", "number"),
    ("family", "boat", "name"),
    ("desk", "plant", "phrase"),
    ("evening", "class", "phrase"),
    ("music", "teacher", "name"),
    ("lucky", "charm", "phrase"),
    ("parking", "space", "number"),
    ("winter", "coat", "phrase"),
    ("phone", "model", "name"),
    ("lunch", "order", "phrase"),
    ("office", "room", "number"),
    ("holiday", "island", "name"),
    ("bedtime", "story", "phrase"),
)
"""(first word, second word, kind of value): a correction names the second word only."""

STATEMENTS = ("{of} {a} {b} is {v}.", "As for {who}, the {a} {b} is {v}.", "Note that {of} {a} {b} is {v}.")
CORRECTIONS = (
    "Not {old} any more for {who}: the {b} is {v} now.",
    "I was wrong to say {old} about {who}, the {b} is {v}.",
    "Instead of {old}, for {who} the {b} is {v} from now on.",
)
EVENTS = (
    ("I met {p} at the {v}.", "Where was it that the user met {p}?", "On what date was it that the user met {p}?"),
    ("I bought a {v} from {p}.", "What was bought from {p}?", "On what date was something bought from {p}?"),
    ("I visited {p} and saw the {v}.", "What was seen when the user visited {p}?", "On what date was {p} visited?"),
    ("I repaired the {v} with {p}.", "What was repaired with {p}?", "On what date was something repaired with {p}?"),
)
"""(line, question for what, question for when)."""

KNOWLEDGE = (
    ("The word {w} means {v}.", "What is the meaning of the word {w}?"),
    ("In the north, a {w} is a {v}.", "What is a {w} in the north?"),
    ("The capital of {w} is called {n}.", "What is the capital of {w} called?"),
    ("A trip to {w} takes {d} minutes.", "How many minutes does a trip to {w} take?"),
)
"""(line, question)."""

EXAMPLE = "Sample: {s}; label: {v}"
"""A labelled example; {s} is the sample."""

EXAMPLE_QUESTION = "Sample: {s}; which label?"
"""Asks for the label of a sample {s}, in the words of an example."""

STEP = "The step taken in project {n} was the {v}."

DISTRACTORS = (
    "I still have to ask about {of} {a} {b}.",
    "Nobody told me about {of} {a} {b} so far.",
    "Somebody was asking for {of} {a} {b} again.",
    "We talked about {of} {a} {b} for a while.",
    "Did anybody find out about {of} {a} {b}?",
)
"""Lines that name a fact of the stream and say nothing about it."""

NOISE = (
    "Thanks, that helps a lot.",
    "Sure, happy to help with that.",
    "Let me think about it for a moment.",
    "The weather was {a} again this morning.",
    "I saw a {a} {n} on the way here.",
    "Could you repeat that, please?",
    "That sounds good to me.",
    "How is the {n} today?",
    "I am not sure about the {a} one.",
    "Give me a second, the {n} is ringing.",
    "Anyway, where were we?",
    "It is getting late, the {n} is waiting.",
    "Oh, I dropped my {a} {n} again.",
    "No worries, take all the time you need.",
    "I had a {n} for breakfast, nothing special.",
    "People say the {n} looks {a} from here.",
    "Good morning, shall we begin?",
    "My {n} keeps making a {a} noise.",
    "That reminds me of some {a} {n}.",
    "Alright, I will keep going then.",
)

KINDS = {
    "corrections": CORRECTIONS,
    "events": tuple(line for line, _, _ in EVENTS),
    "knowledge": tuple(line for line, _ in KNOWLEDGE),
    "examples": (EXAMPLE,),
    "steps": (STEP,),
    "mentions": DISTRACTORS,
    "talk": NOISE,
    "facts": STATEMENTS,
}
"""What a line is, with its frames; the loosest come last."""


@lru_cache(maxsize=50_000)
def kind_of(line: str) -> str | None:
    """What a line of the world is, without its speaker: a key of `KINDS`; None for any other text."""
    return next((kind for kind, pattern in _PATTERNS if pattern.fullmatch(line)), None)


def _pattern(frame: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{\w+\\}", ".+", re.escape(frame)), re.IGNORECASE)


_PATTERNS = tuple((kind, _pattern(frame)) for kind, frames in KINDS.items() for frame in frames)
