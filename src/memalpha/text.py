"""Text without a model: answer normalisation, sentences, and packing sentences into chunks.

Normalisation follows SQuAD (Rajpurkar et al. 2016, arXiv:1606.05250). Counting tokens is left out: pass a counter in.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Iterator, Sequence

_ARTICLES = frozenset({"a", "an", "the"})

# ASCII as in SQuAD, and its typographic, CJK and full-width kin, so that curly quotes compare equal to straight ones.
_PUNCTUATION = re.compile(
    "["
    + re.escape(string.punctuation)
    + "\u00a1\u00a7\u00ab\u00b6\u00b7\u00bb\u00bf\u2010-\u2027\u2030-\u205e"
    + "\u3001-\u3003\u3008-\u3011\uff01-\uff0f\uff1a-\uff20]"
)

# A blank line, or a line that opens with a list mark; any other line break is a wrapped line.
_PARAGRAPH_END = re.compile(r"\n\s*\n|\n(?=[ \t]*(?:[-*\u2022]|\d{1,2}[.)])[ \t])")

# Western marks count before white space, CJK marks anywhere; the look-behind keeps long runs of dots linear.
_SENTENCE_END = re.compile(
    r"(?<![.!?\u2026])(?P<marks>[.!?\u2026]+)[\"'\u201d\u2019)\]]* "
    r"|(?P<cjk>[\u3002\uff01\uff1f]+[\u300d\u300f\u201d\u2019\uff09]*) ?"
)
_OPENING = "\"'\u201c\u2018(["
_WORD = re.compile(r"\W*(\w+)")
_INITIALS = re.compile(r"(?:[A-Za-z]{1,2}\.)+[A-Za-z]{1,2}|[A-Z]")

_ABBREVIATIONS = re.compile(
    r"dr|mrs?|m[sx]|mme|mlle|messrs|prof|rev|hon|gen|col|capt|lt|sgt|sen|rep|gov|pres|st|mt|vs|cf|ca|approx|viz|e\.g|i\.e",
    re.IGNORECASE,
)
_BEFORE_NUMBERS = re.compile(
    r"nos?|pp?|vol|ch|sec|figs?|eq|art|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec", re.IGNORECASE
)
# Words that open a sentence more often than they follow initials such as "U.S." or "p.m.".
_OPENERS = re.compile(
    r"the|an|its?|s?he|his|her|they|their|we|our|you|this|that|these|those|there|then|when|while|after|before|if|but|and|so"
    r"|as|at|in|on|for|to|from|however",
    re.IGNORECASE,
)


def normalise(text: str) -> str:
    """Lower case, no punctuation, no articles, single spaces, as SQuAD compares answers.

    Text that would vanish keeps its articles ("A"), or its punctuation ("+"), so that two such answers stay apart.
    """
    lowered = " ".join(text.lower().split())
    words = _PUNCTUATION.sub("", lowered).split()
    return " ".join(word for word in words if word not in _ARTICLES) or " ".join(words) or lowered


def sentences(text: str) -> list[str]:
    """The sentences of a text, each on one line with single spaces.

    Abbreviations ("Dr."), initials ("J. Smith", "U.S."), decimals and list numbers do not end a sentence; a blank line
    does, and so does the start of a list item.
    """
    found: list[str] = []
    for paragraph in _PARAGRAPH_END.split(text):
        line = " ".join(paragraph.split())
        start = 0
        for match in _SENTENCE_END.finditer(line):
            if _ends_sentence(line, start, match):
                found.append(line[start : match.end()].rstrip())
                start = match.end()
        if start < len(line):
            found.append(line[start:])
    return found


def cut_chunks(
    sentences: Iterable[str], max_tokens: int, count_tokens: Callable[[str], int], *, separator: str = " "
) -> list[list[str]]:
    """Pack sentences in order into chunks of at most `max_tokens`, counted over the sentences joined by `separator`.

    A sentence is cut, at words, only when it alone is over the limit; a single word over the limit stays whole.
    """
    if max_tokens < 1:
        raise ValueError(f"got max_tokens={max_tokens}, expected at least 1")
    pieces: list[str] = []
    for sentence in sentences:
        if not sentence.strip():
            continue
        if count_tokens(sentence) <= max_tokens:
            pieces.append(sentence)
        else:
            pieces.extend(" ".join(words) for words in _pack(sentence.split(), max_tokens, count_tokens, " "))
    return list(_pack(pieces, max_tokens, count_tokens, separator))


def shorten(text: str, max_tokens: int, count_tokens: Callable[[str], int]) -> str:
    """The longest start of a text that fits, cut between words; the text itself when it fits."""
    if count_tokens(text) <= max_tokens:
        return text
    ends = [0, *(match.end() for match in re.finditer(r"\S+", text))]
    low, high = 0, len(ends) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count_tokens(text[: ends[middle]]) <= max_tokens else (low, middle)
    return text[: ends[low]]


def _pack(
    pieces: Sequence[str], max_tokens: int, count_tokens: Callable[[str], int], separator: str
) -> Iterator[list[str]]:
    start = 0
    while start < len(pieces):
        end, total = start + 1, count_tokens(pieces[start])
        while end < len(pieces) and total + (size := count_tokens(separator + pieces[end])) <= max_tokens:
            total += size
            end += 1
        # In a sub-word vocabulary the counts of the parts do not quite add up to the count of the whole.
        while end > start + 1 and count_tokens(separator.join(pieces[start:end])) > max_tokens:
            end -= 1
        yield list(pieces[start:end])
        start = end


def _ends_sentence(line: str, start: int, match: re.Match[str]) -> bool:
    if match["cjk"]:
        return True
    following = _WORD.match(line, match.end())
    after = following[1] if following else ""
    if match["marks"] != "." or after[:1].islower():
        return not after[:1].islower()
    before = line[start : match.start()]
    word = before.rsplit(" ", 1)[-1].lstrip(_OPENING)
    if _INITIALS.fullmatch(word) and not _ABBREVIATIONS.fullmatch(word):
        return _OPENERS.fullmatch(after) is not None
    numbered = after[:1].isdigit() and _BEFORE_NUMBERS.fullmatch(word)
    return not (before.isdigit() or numbered or _ABBREVIATIONS.fullmatch(word))


def first_line(error: BaseException) -> str:
    """The first line of what an error says, its kind when it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
