"""Where documents come from: JSONL, Parquet, Delta and WARC files, record by record, with what is broken set aside."""
