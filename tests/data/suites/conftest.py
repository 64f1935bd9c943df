"""A folder of data sets made by hand: every file that a suite reads, in the shape in which it is published."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

Files = dict[str, Any]
"""Records by the name of their file; a whole document where the file holds one."""

TOWNS = (
    ("Arby", "red", "1901", "Ola Berg"),
    ("Bexo", "green", "1902", "Pia Dahl"),
    ("Cirr", "blue", "1903", "Rut Egge"),
    ("Dorn", "black", "1904", "Siv Foss"),
    ("Elma", "white", "1905", "Tor Gran"),
    ("Falk", "brown", "1906", "Una Holm"),
)

SQUAD = [
    {
        "title": town,
        "context": f"{town} has a {colour} bridge. It was built in {year} by {builder}.",  # 11 words
        "qas": [
            {"id": f"{town}-1", "question": f"What colour is the bridge of {town}?", "answers": [colour]},
            {
                "id": f"{town}-2",
                "question": f"Who built the bridge of {town}?",
                "answers": [builder, builder.split()[1]],
            },
            {"id": f"{town}-3", "question": f"How long is the bridge of {town}?", "answers": []},
        ],
    }
    for town, colour, year, builder in TOWNS
]


def hotpot(number: int, answer: str) -> dict[str, Any]:
    """A person born in a town by a river, and a paragraph that says nothing of it: 6 + 6 + 6 words."""
    person, town = f"Person{number}", f"Town{number}"
    return {
        "id": str(number),
        "question": f"Which river flows through the birthplace of {person}?",
        "answer": answer,
        "supporting_facts": {"title": [person, town], "sent_id": [0, 0]},
        "context": {
            "title": [person, town, f"Noise{number}"],
            "sentences": [
                [f"{person} was born in {town} once."],
                [f"{town} lies on the River{number} there."],
                [f"Noise{number} is a hill without trees."],
            ],
        },
    }


HOTPOTQA = [hotpot(number, f"River{number}") for number in range(4)]
YES_NO = hotpot(9, "yes")

LABELS = ("alarm", "music", "weather")
SAMPLES = {
    "alarm": ("wake me at six", "set an alarm", "get me up early", "ring at noon"),
    "music": ("play a song", "turn up the jazz", "next track please", "some music now"),
    "weather": ("will it rain", "is it cold", "how hot is it", "any snow today"),
}
ASKED = {"alarm": ("wake us at two", "set an alarm"), "music": ("play the blues",), "weather": ("is it windy",)}
TRAIN = [(text, label) for label, texts in SAMPLES.items() for text in texts]
TEST = [*((text, label) for label, texts in ASKED.items() for text in texts), ("where am I", "unheard")]

SQUALITY = {
    "metadata": {"passage_id": "7", "uid": "u", "license": "public domain"},
    "document": "The Lamp\n\nMira found a lamp in the cave. The guard chased Mira\n"
    "through the desert.\n\nHer brother hid.",
    "questions": [
        {
            "question_text": "What is the plot of the story?",
            "question_number": 1,
            "responses": [
                {"response_text": "Mira, who found the lamp in a cave, fled from a guard."},
                {"response_text": "In the desert Mira has a lamp from a cave; the guard wants it."},
                {"response_text": "A guard hunts Mira for lamps which she found in one cave of the desert."},
                {"response_text": "Mira keeps a magic lamp. The desert guard runs after her."},
            ],
        },
        {
            "question_text": "Who is the brother?",
            "question_number": 2,
            "responses": [{"response_text": "Somebody who hid."}, {"response_text": "The brother of Mira."}],
        },
    ],
}

QMSUM = {
    "meeting_id": "M1",
    "topic_list": [],
    "general_query_list": [{"query": "Summarize the whole meeting.", "answer": "They chose a yellow remote control."}],
    "specific_query_list": [
        {
            "query": "What did Ann say about the colour?",
            "answer": "Ann wanted yellow because it sells.",
            "relevant_text_span": [["1", "2"]],
        }
    ],
    "meeting_transcripts": [
        {"speaker": "Bob", "content": "Shall we start {disfmarker} now ?"},
        {"speaker": "Ann", "content": "Yellow sells . {vocalsound}"},
        {"speaker": "Ann", "content": "I want yellow ."},
        {"speaker": "Bob", "content": "{pause}"},
        {"speaker": "Bob", "content": "Then we are done ."},
    ],
}


def edit(prompt: str, subject: str, old: str, new: str, question: str) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "relation_id": "P1",
        "target_new": {"str": new, "id": "Q1"},
        "target_true": {"str": old, "id": "Q2"},
        "subject": subject,
        "question": question,
    }


def hop(cloze: str, answer: str, *aliases: str) -> dict[str, Any]:
    return {"question": "?", "cloze": cloze, "answer": answer, "answer_alias": list(aliases)}


CAPITAL, CONTINENT = "The capital of {} is", "{} is located in the continent of"
MQUAKE = [
    {
        "case_id": 1,
        "requested_rewrite": [
            edit(CAPITAL, "Elbonia", "Oldtown", "Newport", "What is the capital of Elbonia?"),
            edit(CONTINENT, "Newport", "Europe", "Africa", "On which continent is Newport?"),
        ],
        "questions": ["On which continent is the capital of Elbonia?", "Elbonia's capital is on which continent?"],
        "answer": "Asia",
        "answer_alias": [],
        "new_answer": "Africa",
        "new_answer_alias": ["the African continent"],
        "single_hops": [
            hop("The capital of Elbonia is", "Oldtown"),
            hop("Oldtown is located in the continent of", "Asia"),
        ],
        "new_single_hops": [
            hop("The capital of Elbonia is", "Newport", "New Port"),
            hop("Newport is located in the continent of", "Africa", "the African continent"),
        ],
    },
    {
        "case_id": 2,
        "requested_rewrite": [
            edit(CAPITAL, "Elbonia", "Oldtown", "Midway", "What is the capital of Elbonia?"),
            edit("The mayor of {} is", "Midway", "Ann Bye", "Bea Cox", "Who is the mayor of Midway?"),
        ],
        "questions": ["Who is the mayor of the capital of Elbonia?"],
        "answer": "Dan Elk",
        "answer_alias": [],
        "new_answer": "Bea Cox",
        "new_answer_alias": [],
        "single_hops": [hop("The capital of Elbonia is", "Oldtown"), hop("The mayor of Oldtown is", "Dan Elk")],
        "new_single_hops": [hop("The capital of Elbonia is", "Midway"), hop("The mayor of Midway is", "Bea Cox")],
    },
    {
        "case_id": 3,
        "requested_rewrite": [
            edit("{} is married to", "Fay", "Gus Hill of York", "Gus Hill", "Who is Fay married to?"),
            edit("{} was born in", "Gus Hill", "York", "Leeds", "Where was Gus Hill born?"),
        ],
        "questions": ["Where was the spouse of Fay born?"],
        "answer": "Leeds Docks",
        "answer_alias": [],
        "new_answer": "Leeds",
        "new_answer_alias": [],
        "single_hops": [
            hop("Fay is married to", "Gus Hill of York"),
            hop("Gus Hill of York was born in", "Leeds Docks"),
        ],
        "new_single_hops": [hop("Fay is married to", "Gus Hill"), hop("Gus Hill was born in", "Leeds")],
    },
]


def turn(role: str, content: str, **more: bool) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


LONGMEMEVAL = {
    "question_id": "q1",
    "question_type": "single-session-user",
    "question": "What do I study?",
    "question_date": "2023/05/30 (Tue) 23:40",
    "answer": "Botany",
    "answer_session_ids": ["s_answer"],
    "haystack_dates": ["2023/05/22 (Mon) 10:00", "2023/05/20 (Sat) 02:21"],
    "haystack_session_ids": ["s_answer", "s_other"],
    "haystack_sessions": [
        [
            turn("user", "Hello there. I am tired.", has_answer=False),
            turn("assistant", "Why so?", has_answer=False),
            turn("user", "I study Botany all night.", has_answer=True),
        ],
        [turn("user", "What is Botany?"), turn("assistant", "The study of plants.\n\n- It is old.")],
    ],
}

LOCOMO = {
    "sample_id": "conv-1",
    "conversation": {
        "speaker_a": "Ann",
        "speaker_b": "Bob",
        "session_10_date_time": "9:05 am on 2 June, 2023",
        "session_10": [{"speaker": "Bob", "dia_id": "D10:1", "text": "I sold the boat."}],
        "session_2_date_time": "1:56 pm on 8 May, 2023",
        "session_2": [
            {"speaker": "Ann", "dia_id": "D2:1", "text": "Hi Bob! I ran a race yesterday."},
            {
                "speaker": "Bob",
                "dia_id": "D2:2",
                "text": "Look at this.",
                "img_url": ["https://example.org/1.jpg"],
                "blip_caption": "a photo of a boat",
                "query": "boat",
            },
        ],
    },
    "qa": [
        {"question": "When did Ann run a race?", "answer": "7 May 2023", "evidence": ["D2:1"], "category": 2},
        {"question": "How many boats did Bob sell?", "answer": 1, "evidence": ["D10:1; D2:02", "D"], "category": 1},
        {"question": "Would Bob sail?", "answer": "No; he sold it", "evidence": ["D11:26"], "category": 3},
        {"question": "Who sold a car?", "evidence": ["D2:1"], "category": 5, "adversarial_answer": "Bob"},
    ],
}


def message(id: int, role: str, content: str, anchor: str | None = None) -> dict[str, Any]:
    return {"role": role, "id": id, "content": content} | ({"time_anchor": anchor} if anchor else {})


LONG_GOLD = "You said that you wrote tests but also that you never wrote any."
BEAM = {
    "chat_id": 3,
    "topic": {"id": 1},
    "chat_file": "chat.json",
    "chat": [
        {
            "batch_number": 1,
            "time_anchor": None,
            "turns": [
                [
                    message(0, "user", "I have 60 tests. ->-> 1,1", "March-15-2024"),
                    message(1, "assistant", "Good. Keep going."),
                ],
                [message(2, "user", "I wrote no tests ever. ->-> 1,2"), message(3, "assistant", "Oh.")],
            ],
        },
        {
            "batch_number": 2,
            "time_anchor": None,
            "turns": [
                [message(4, "user", "By now it is 75 tests.", "April-02-2024"), message(5, "assistant", "Nice.")]
            ],
        },
    ],
    "probing_questions": {
        "abstention": [{"question": "Who paid?", "ideal_response": "The chat has no information about that."}],
        "contradiction_resolution": [
            {
                "question": "Did I write tests?",
                "ideal_answer": LONG_GOLD,
                "source_chat_ids": {"first_statement": [0], "second_statement": [2]},
            }
        ],
        "event_ordering": [{"question": "In which order?", "answer": "First 60, then 75.", "source_chat_ids": [0, 4]}],
        "information_extraction": [{"question": "How many at first?", "answer": "60", "source_chat_ids": [0, 1]}],
        "instruction_following": [{"question": "Do it.", "source_chat_ids": [1], "rubric": []}],
        "knowledge_update": [
            {
                "question": "How many tests are there?",
                "answer": "75 tests",
                "source_chat_ids": {"original_info": [0], "updated_info": [4]},
            }
        ],
        "multi_session_reasoning": [{"question": "How many more?", "answer": "15", "source_chat_ids": [0, 4]}],
        "preference_following": [{"question": "Help me.", "source_chat_ids": [1], "rubric": []}],
        "summarization": [{"question": "Sum up.", "ideal_summary": "Tests grew to 75.", "source_chat_ids": [0, 4]}],
        "temporal_reasoning": [
            {"question": "How many days?", "answer": "18 days", "source_chat_ids": {"first_event": [0]}}
        ],
    },
}

METADATA = {
    "demo": None,
    "haystack_sessions": None,
    "keypoints": None,
    "previous_events": None,
    "qa_pair_ids": None,
    "question_dates": None,
    "question_ids": None,
    "question_types": None,
    "source": None,
}


def whole(source: str, context: str, *asked: tuple[str, list[str]], **metadata: Any) -> dict[str, Any]:
    """A row of the table that MemoryAgentBench's authors publish."""
    questions, answers = [question for question, _ in asked], [golds for _, golds in asked]
    given = {"source": source, "qa_pair_ids": [f"{source}_no{at}" for at in range(len(asked))]}
    return {"context": context, "questions": questions, "answers": answers, "metadata": METADATA | given | metadata}


CHATS = [
    "Chat Time: 2023/05/22 (Mon) 10:00",
    LONGMEMEVAL["haystack_sessions"][0],
    "Chat Time: 2023/05/23 (Tue) 11:30",
    [turn("user", "Is it raining?", has_answer=False)],
]
MEMORYAGENTBENCH = {
    "Accurate_Retrieval": [
        whole(
            "ruler_qa1_197K",
            "Document 1:\nArby has a red bridge.\n\nDocument 2:\nBexo has a green\nbridge.",
            ("Which colour has the bridge of Bexo?", ["green", "light green"]),
        ),
        whole(
            "longmemeval_s*",
            repr(CHATS),
            ("What do I study?", ["Botany"]),
            ("Who won the race in Bexo?", ["You did not tell me who won that race."]),
            haystack_sessions=[[LONGMEMEVAL["haystack_sessions"][0]], [[turn("user", "?", has_answer=False)]]],
        ),
    ],
    "Test_Time_Learning": [
        whole(
            "icl_nlu_8296shot_balance",
            "will it rain?\nlabel: 12\nplay on. louder\nlabel: 1\n",
            ("is it wet", ["12"]),
            ("play a song", ["1"]),
        ),
        whole("recsys_redial_full", "Dialogue 1: User: I like films.", ("A film?", ["509"])),
    ],
    "Long_Range_Understanding": [
        whole("infbench_sum_eng_shots2", "Mira found a lamp. She ran.", ("Sum up.", ["Mira runs with a lamp."])),
        whole("detective_qa", "The butler had the key.", ("Who? A. cook B. butler", ["B. butler"])),
    ],
    "Conflict_Resolution": [
        whole(
            "factconsolidation_sh_6k",
            "Here is a list of facts:\n99. The capital of Elbonia is Oldtown.\n100. The capital of Elbonia is Newport.",
            ("What is the capital of Elbonia?", ["Newport", "New Port"]),
        )
    ],
}

FILES: Files = {
    "squad/test_squad_v2.0_dev.jsonl.gz": SQUAD,
    "hotpotqa/test_hf.jsonl.gz": HOTPOTQA,
    "hotpotqa/test_raw.jsonl.gz": [YES_NO],
    "banking77/train.jsonl.gz": [{"text": text, "category": label} for text, label in TRAIN],
    "banking77/test.jsonl.gz": [{"text": text, "category": label} for text, label in TEST],
    "clinc150/train.jsonl.gz": [[text, label] for text, label in TRAIN],
    "clinc150/test.jsonl.gz": [[text, label] for text, label in TEST],
    "nlu/train.jsonl.gz": [{"text": text, "intent": label, "entities": []} for text, label in TRAIN],
    "nlu/test.jsonl.gz": [{"text": text, "intent": label, "entities": []} for text, label in TEST],
    "squality/test.jsonl.gz": [SQUALITY],
    "qmsum/test.jsonl.gz": [QMSUM],
    "mquake_hard/test.jsonl.gz": MQUAKE,
    "longmemeval/sample_s_full.jsonl.gz": [LONGMEMEVAL],
    "locomo/locomo10.json": [LOCOMO],
    "beam_100k/test.jsonl.gz": [BEAM],
    **{f"memoryagentbench/data/{split}-00000-of-00001.parquet": rows for split, rows in MEMORYAGENTBENCH.items()},
}


@pytest.fixture(scope="session")
def whole_files() -> Files:
    """Records of every file, not to be changed."""
    return FILES


@pytest.fixture
def files() -> Files:
    """Records of every file, to be changed at will."""
    return json.loads(json.dumps(FILES))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of data sets, not to be changed."""
    whole = tmp_path_factory.mktemp("data")
    for name, rows in FILES.items():
        publish(whole / name, rows)
    return whole


@pytest.fixture
def write(tmp_path: Path, folder: Path) -> Callable[[Files], Path]:
    """Writes files as they are published; gives the folder of data sets."""

    def written(files: Files) -> Path:
        for name, rows in files.items():
            if rows == FILES.get(name):
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, tmp_path / name)
            else:
                publish(tmp_path / name, rows)
        return tmp_path

    return written


def publish(path: Path, rows: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    else:
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
