"""Redaction: personal data gives way to words that say what stood there."""

from dataclasses import dataclass

import numpy as np

from curation.edits.edit import Cuts
from curation.text.batch import TextBatch
from curation.text.pii import CARD, EMAIL, IBAN, IP_ADDRESS, NUM_KINDS, PHONE, find_pii, iban_lengths


@dataclass(frozen=True, kw_only=True)
class RedactPii:
    """Put other words in the places of e-mail and public IP addresses, phone, account (IBAN) and card numbers.

    What counts as one is said in `curation.text.pii`. The words are Dolma's for the three kinds that it knows.

    Attributes:
        email: the words for an e-mail address; None leaves e-mail addresses.
        ip_address: for a public IP address.
        phone_number: for a phone number.
        iban: for an account number.
        card_number: for a card number.

    Reference: Soldaini et al. 2024 (Dolma), section 5.3.
    """

    email: str | None = "|||EMAIL_ADDRESS|||"
    ip_address: str | None = "|||IP_ADDRESS|||"
    phone_number: str | None = "|||PHONE_NUMBER|||"
    iban: str | None = "|||IBAN|||"
    card_number: str | None = "|||CARD_NUMBER|||"

    @property
    def name(self) -> str:
        """`redact_pii`."""
        return "redact_pii"

    def open(self) -> None:
        """Nothing to load."""

    def cuts(self, batch: TextBatch) -> Cuts:
        """Every piece of a kind that is to be redacted."""
        words = {
            EMAIL: self.email,
            IP_ADDRESS: self.ip_address,
            PHONE: self.phone_number,
            IBAN: self.iban,
            CARD: self.card_number,
        }
        rows = find_pii(batch.data, batch.offsets, iban_lengths())
        chosen = rows[np.isin(rows[:, 1], [kind for kind, word in words.items() if word is not None])]
        puts = ("", *(words[kind] or "" for kind in range(NUM_KINDS)))
        return Cuts(chosen[:, 0], chosen[:, 2], chosen[:, 3], chosen[:, 1] + 1, puts)
