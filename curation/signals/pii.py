"""Personal data: how many e-mail and public IP addresses, phone, account and card numbers stand in a text?

Found by form and checksum (see `curation.text.pii`); what looks like one and fails its checksum is none, and private
and reserved IP addresses harm nobody. datatrove's `PIIFormatter` knows e-mail and IP addresses only, without phone
numbers.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation.rules import Rule
from curation.text.batch import TextBatch
from curation.text.columns import to_arrow
from curation.text.pii import NUM_KINDS, find_pii, iban_lengths

_COLUMNS = ("num_emails", "num_ip_addresses", "num_phone_numbers", "num_ibans", "num_card_numbers")


@dataclass(frozen=True, kw_only=True)
class Pii:
    """Counts of each kind (int32), and `frac_bytes` (float64), the share of the text's bytes that they take.

    Columns: `num_emails`; `num_ip_addresses` (version 4, and 6 in 2000::/3; private, reserved and documentation's are
    not counted); `num_phone_numbers` (international with `+`, and the North American plan's usual forms); `num_ibans`
    (country, length and checksum); `num_card_numbers` (issuer, length and checksum); `frac_bytes`, null for an empty
    text.
    """

    @property
    def name(self) -> str:
        """`pii`."""
        return "pii"

    @property
    def schema(self) -> pa.Schema:
        """Five counts and a share."""
        return pa.schema([*((name, pa.int32()) for name in _COLUMNS), ("frac_bytes", pa.float64())])

    def open(self) -> None:
        """Nothing to load."""

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """Counts of each text of `batch`; null for a null text."""
        rows = find_pii(batch.data, batch.offsets, iban_lengths())
        counts = np.bincount(rows[:, 0] * NUM_KINDS + rows[:, 1], minlength=len(batch) * NUM_KINDS)
        by_kind = counts.reshape(len(batch), NUM_KINDS).astype(np.int32)
        covered = np.bincount(rows[:, 0], rows[:, 3] - rows[:, 2], minlength=len(batch))
        columns = [to_arrow(by_kind[:, kind], batch.valid, pa.int32()) for kind in range(NUM_KINDS)]
        size = batch.num_bytes
        columns.append(pa.array(covered / np.maximum(size, 1), mask=size == 0))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def rules() -> tuple[Rule, ...]:
    """Drop what spills payment details."""
    return (
        Rule("pii.iban", on="pii.num_ibans", max=0),
        Rule("pii.card_number", on="pii.num_card_numbers", max=0),
    )
