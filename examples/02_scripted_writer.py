"""The episode loop without weights: a scripted writer reads a stream, a reader answers, the rewards are computed.

`ScriptedModel` takes replies in order, or a function of the prompt: here a rule written for the frames of the world,
which says what a policy has to learn. It stores what tells something, and lets a correction replace the entry shown
under it.

    python examples/02_scripted_writer.py
"""

import re

from memalpha import Episode, ExtractiveReader, ScriptedModel, ToolCall, Writer, make_episode, run_episode
from memalpha.agent.model import Prompt
from memalpha.agent.parsing import render_call
from memalpha.agent.tokens import nano_counter
from memalpha.rewards import RewardPreset, RewardWeights, RuleValidator, reward

LINE = re.compile(r"^(?P<text>.+) #(?P<number>\d+)(?:\n~(?P<kind>\w+) (?P<id>\d+): .+)?$", re.MULTILINE)
"""One line of the chunk in the nano prompt, with the related entry that may stand under it."""
CORRECTS = re.compile(r": (?:Not|I was wrong|Instead of) ")
HAPPENED = re.compile(r": I (?:met|bought|visited|repaired) ")
TELLS = re.compile(r": (?:Note that|As for|\w+'s|My \w+ \w+ is|Sample|The (?:step|word|capital)|In the|A trip) ?")


def rule(prompt: Prompt) -> str:
    """The calls for one chunk."""
    chunk = prompt.messages[0].content.partition("<|chunk|>")[2]
    calls = []
    for line in LINE.finditer(chunk):
        lines = [int(line["number"])]
        if CORRECTS.search(line["text"]) and line["id"]:
            place = {"memory_type": line["kind"], "memory_id": int(line["id"])}
            calls.append(ToolCall(name="memory_update", arguments={"lines": lines, **place}))
        elif HAPPENED.search(line["text"]):
            calls.append(ToolCall(name="memory_insert", arguments={"lines": lines, "memory_type": "episodic"}))
        elif TELLS.search(line["text"]):
            calls.append(ToolCall(name="memory_insert", arguments={"lines": lines, "memory_type": "semantic"}))
    return "".join(map(render_call, calls))


def main() -> None:
    count = nano_counter()
    episode: Episode = make_episode(3, tokens=500)
    trace = run_episode(Writer(ScriptedModel(rule)), ExtractiveReader(), episode, count_tokens=count)

    first = trace.steps[0]
    print(f"The first prompt:\n{first.prompt.messages[0].content}\nThe calls:\n{first.completion.text}\n")
    for question, answer, score in zip(episode.questions, trace.answers, trace.scores, strict=True):
        print(f"{score:.0f}  {question.text}  {answer.text}")

    print(f"\nScore {trace.score:.3f}, {trace.memory_tokens} of {trace.raw_tokens} tokens kept")
    terms = reward(trace, preset=RewardPreset.DEFAULT, validator=RuleValidator(), count_tokens=count)
    print(f"r1 correctness {terms.correctness:.3f}, r3 compression {terms.compression:.3f}")
    for step, total in zip(terms.steps, terms.totals(RewardWeights()), strict=True):
        print(f"r2 tool calls {step.tools:.3f}, r4 content {step.content:.3f}, r {total:.3f}")


if __name__ == "__main__":
    main()
