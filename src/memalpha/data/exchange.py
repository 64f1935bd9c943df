"""Text as an exchange: the user hands it over, the assistant confirms; as chunks are dressed in arXiv:2509.25911.

The sentences around the text say nothing about it. They are what a writer has to learn to leave out.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Sequence

from memalpha.records import Chunk

FIRST_DAY = datetime.date(2024, 1, 1)
"""Of every stream that has no dates of its own."""
OPENINGS = (
    "I read this today:",
    "This is what I came across:",
    "Please keep the following in mind:",
    "Some things I would like you to know:",
    "I have been reading up on something:",
    "Here is a bit more for you:",
    "I found this and thought of our talks:",
    "A few more things worth knowing:",
    "I want to come back to this later:",
    "Take a look at this:",
    "Here comes the next part:",
    "This might be of use one day:",
    "I copied this out for you:",
    "Something new from my reading:",
    "You may need this when I ask you later:",
    "My notes of the day:",
    "Let us add this to what you know:",
    "I looked these things up:",
    "There is more where that came from:",
    "Before I forget, here is this:",
)
"""What a user says before a text."""

SAMPLE_OPENINGS = (
    "These samples carry labels; I will ask you about new ones:",
    "Learn the labels from these:",
    "Here are samples, each with its label:",
    "Try to see what the labels stand for:",
    "Some more labelled samples:",
    "This is how I sort such sentences:",
    "Watch which label goes with what:",
    "I sorted these by hand:",
    "The number behind each sample is its label:",
    "Keep in mind how these are labelled:",
    "A new batch with labels:",
    "From these you can tell the labels apart:",
    "More of the samples I told you about:",
    "Look at the labels of these:",
    "Here is how the next ones are labelled:",
    "I will want you to label others like these:",
    "Each of these belongs to one label:",
    "Study these samples and their labels:",
    "Let me show you some labelled ones:",
    "These help to see what each label means:",
)
"""What a user says before labelled samples."""

REPLIES = (
    "Thank you, I will keep it in mind.",
    "Understood.",
    "I have made a note of it.",
    "Good to know.",
    "I have read all of it.",
    "Ask me whenever you like.",
    "That is noted.",
    "I will remember this.",
    "Thanks, go on.",
    "Alright, I have it.",
    "That goes with what you told me before.",
    "Fine, I am ready for more.",
    "I will come back to it when you ask.",
    "Thanks for telling me.",
    "Got everything.",
    "Okay, what comes next?",
    "I have it with me now.",
    "Very well.",
    "That was clear.",
    "Done, tell me more.",
)
"""What the assistant says after it."""


def exchange(text: str, rng: random.Random, *, openings: Sequence[str] = OPENINGS) -> str:
    """The text between an opening and a reply drawn at random, each on a line of its own."""
    return f"<User>{rng.choice(openings)}\n{text}\n<Assistant>{rng.choice(REPLIES)}"


def read_over_days(texts: Sequence[str], rng: random.Random) -> tuple[Chunk, ...]:
    """One long text as chunks that are one to three days apart, each dressed as an exchange."""
    days = [FIRST_DAY]
    days.extend(days[-1] + datetime.timedelta(days=rng.randint(1, 3)) for _ in texts[1:])
    return tuple(Chunk(text=exchange(text, rng), time=day.isoformat()) for text, day in zip(texts, days, strict=True))
