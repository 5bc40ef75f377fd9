"""The shapes in which conversations come."""

import json
from typing import Any

import pytest

from training.data.conversations import conversation_of


def user(content: str = "who") -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str = "a dog") -> dict[str, str]:
    return {"role": "assistant", "content": content}


@pytest.mark.parametrize(
    ("record", "texts"),
    [
        ({"prompt": "who", "completion": "a dog"}, ["who", "a dog"]),
        (
            {"prompt": [user("hello"), assistant("you"), user()], "completion": [assistant()]},
            ["hello", "you", "who", "a dog"],
        ),
        ({"instruction": "who", "input": "", "output": "a dog"}, ["who", "a dog"]),
        ({"instruction": "who", "input": "you", "output": "a dog"}, ["who\n\nyou", "a dog"]),
        ({"instruction": "x", "input": "y", "output": "z", "prompt": "who", "completion": "a"}, ["who", "a"]),
        ({"messages": [user(), assistant()], "prompt": "x", "completion": "y"}, ["who", "a dog"]),
    ],
)
def test_the_shapes_of_records(record: dict[str, Any], texts: list[str]) -> None:
    found = conversation_of(json.loads(json.dumps(record)))
    assert [message["content"] for message in found.messages] == texts
    assert [message["role"] for message in found.messages] == ["user", "assistant"] * (len(texts) // 2)
