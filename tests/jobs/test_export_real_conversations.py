"""An export of real conversations, compared with them word by word."""

import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
from references import chat_templates_made as made
from references.packing import gzipped
from references.read_export import copies
from tokenizers import Tokenizer

from curation.export.settings import Export
from curation.export.tokenizer import ExportTokenizer
from curation.sources.listing import find_files
from curation.sources.settings import Ingest
from jobs.display import Silent
from jobs.export_conversations import ChatExport, export_conversations
from training.data.chat_templates import CHATML, ChatTemplate

TOKENIZER = ExportTokenizer(content=made.chatml_tokenizer(), name="small", eos="<|endoftext|>")
TEMPLATE = ChatTemplate(source=CHATML, name="chatml")
LIBRARY = Tokenizer.from_str(TOKENIZER.content.decode())


def test_real_conversations(shared: Path, tmp_path: Path) -> None:
    """Grade-school questions, packed into rows that hold nothing but them."""
    source = gzip.decompress((shared / "data" / "instruct" / "pool_gsm8k_train.jsonl.gz").read_bytes()).splitlines()[
        :400
    ]
    path = tmp_path / "gsm8k.jsonl.gz"
    path.write_bytes(gzipped(b"".join(line + b"\n" for line in source)))
    settings = ChatExport(rows=Export(row_length=2048, eval_share=0.1, domain="one"))
    found = find_files(Ingest(inputs=(str(path),))).files
    done = export_conversations(found, TOKENIZER, TEMPLATE, settings, str(tmp_path / "out"), Silent())
    counts = done.manifest["counts"]
    assert counts["num_documents"] == 400
    assert counts["num_padding"] < 0.1 * counts["num_rows"] * 2048
    listed = pq.read_table(tmp_path / "out" / "conversations.parquet").to_pylist()
    ids = {row["doc_id"]: row["record"] for row in listed}
    for (doc_id, _), tokens in copies(tmp_path / "out").items():
        record = json.loads(source[ids[doc_id] - 1])
        assert LIBRARY.decode(tokens, skip_special_tokens=False) == (
            f"<|im_start|>user\n{record['prompt']}<|im_end|>\n<|im_start|>assistant\n{record['completion']}<|im_end|>\n"
        )
