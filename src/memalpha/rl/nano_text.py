"""Text for the nano policy's tokenizer and warm start: plain words, made-up sentences, the boilerplate of tool calls.

Nothing here says what is worth keeping. The sentences are word salad with the look of real prose (names, years,
commas), so that quoting by line number does not depend on the frames of the synthetic world.
"""

from __future__ import annotations

import random

from memalpha.data.words import ADJECTIVES, NOUNS, Pools, Split

CALL_TOKENS = (
    '<tool_call>{"name": "memory_insert", "arguments": {"lines": [',
    '<tool_call>{"name": "memory_insert", "arguments": {"content": "',
    '<tool_call>{"name": "memory_update", "arguments": {"lines": [',
    '<tool_call>{"name": "memory_update", "arguments": {"new_content": "',
    '<tool_call>{"name": "memory_delete", "arguments": {"memory_type": "',
    '], "memory_type": "',
    '", "memory_type": "',
    '", "memory_id": ',
    '"}}</tool_call>',
    "}}</tool_call>",
    "core",
    "semantic",
    "episodic",
)
"""Added tokens: a quoting insert is five tokens of which the policy chooses two."""

COMMON = (
    "the of and to in a is was for as on with by that it his he from at are were which this an be or had not has its "
    "their but also have one two first been after who they more other than most new when into her she all during time "
    "between many some these used would there only over such can up may known about later state city world made where "
    "university war three part while became will united film under century american national years then before both "
    "through being including early since called against use work him year well number second several until government "
    "same because any each them him however music people end system county group often around four company school "
    "area south north series name found form series team led large began based season within house life won released "
    "population game played based family british local much so major general high no member along country district "
    "could region long small public power include member different among german history english album modern French "
    "named death west east international line built band born song law club best following side five old last party "
    "church own son order held show great did even down back king per due support river place period service point "
    "home league station set own another term political now television left army third described every control main "
    "just main without center development established originally players late six total head program common you main "
    "community station society located science theory water research force very book level court role example record "
    "written published award land social still title day men given usually produced air story central human father "
    "near military forces language considered range areas again live original important president art cities office "
    "result case areas education various town what how when why whose whom did does production study site road open "
    "species type lower word model energy effect rate sea island building process trade change million black white "
    "red member works students few having current act director free body held capital size across although rather "
    "control upper less times night age women design former official making young across full lost return market half "
    "become light field nature material special section addition class increased taken subject base play must higher "
    "standard council moved came took put gave got seen done says said make makes like want need good yes really "
    "cause death act rule test plan cost price value data group view list text page line note"
).split()

_TOPICS = "report study city treaty novel album church engine school party river theory".split()


def prose_line(rng: random.Random, pools: Pools) -> str:
    """One made-up sentence of 6 to 45 words with the look of an encyclopedia."""
    words: list[str] = []
    for _ in range(rng.randint(6, rng.choice((12, 20, 32, 45)))):
        kind = rng.random()
        if kind < 0.72:
            words.append(rng.choice(COMMON))
        elif kind < 0.82:
            words.append(rng.choice(NOUNS))
        elif kind < 0.87:
            words.append(rng.choice(ADJECTIVES))
        elif kind < 0.95:
            words.append(pools.nonce().capitalize())
        elif kind < 0.98:
            words.append(str(rng.randint(1000, 2030)))
        else:
            words.append(str(rng.randint(1, 999)))
        if rng.random() < 0.06:
            words[-1] += ","
    text = " ".join(words)
    return text[0].upper() + text[1:] + "."


def prose_lines(rng: random.Random) -> list[str]:
    """A paragraph of 2 to 9 sentences that keep to a few names, as prose does."""
    pools = Pools(rng, Split.TRAIN)
    names = [pools.nonce().capitalize() for _ in range(3)]
    lines = []
    for _ in range(rng.randint(2, 9)):
        line = prose_line(rng, pools)
        if rng.random() < 0.7:
            line = f"{rng.choice(names)} {rng.choice(_TOPICS)} {line[0].lower()}{line[1:]}"
        lines.append(line)
    return lines
