"""What every edit has to fulfil, and its texts."""

from collections.abc import Sequence
from typing import Any

from curation.edits.edit import Edit
from curation.edits.splice import edit_texts, restored, to_strings
from curation.text.batch import TextBatch


def original_text(text: str, cuts: Sequence[dict[str, Any]] | None) -> str:
    """What a text was before it was edited, from `documents.text` and `documents.cuts`."""
    steps: list[list[dict[str, Any]]] = []
    for cut in cuts or ():
        if not steps or steps[-1][0]["edit"] != cut["edit"]:
            steps.append([])
        steps[-1].append(cut)
    data = text.encode()
    for step in reversed(steps):
        for cut in step:
            put = cut["put"].encode()
            assert data[cut["start"] :].startswith(put)
            data = data[: cut["start"]] + cut["text"].encode() + data[cut["start"] + len(put) :]
    return data.decode()


def check_edits(edits: Sequence[Edit], texts: Sequence[str | None]) -> list[str | None]:
    """The edited texts, after a check that what was cut is told in order and makes the texts what they were."""
    for edit in edits:
        assert isinstance(edit, Edit)
        assert hash(edit) == hash(edit)
        edit.open()
    batch = TextBatch.from_texts(texts)
    edited, cuts = edit_texts(batch, edits)
    cuts.validate(full=True)
    to_strings(edited).validate(full=True)
    found = to_strings(edited).to_pylist()
    for text, after, told in zip(texts, found, cuts.to_pylist(), strict=True):
        assert (text is None) == (after is None)
        assert (told is None) == (text == after), "an edit that changes nothing cuts nothing"
        if text is not None:
            assert original_text(after, told) == text
    back = to_strings(restored(edited, cuts)).to_pylist()
    assert back == list(texts)
    return found


def check_edit(edit: Edit, texts: Sequence[str]) -> list[str]:
    """See `check_edits`."""
    return [text or "" for text in check_edits([edit], texts)]
