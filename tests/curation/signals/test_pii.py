"""Personal data: hand-written cases with their checksums, and plain Python's regular expressions on any text."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from references.pii import find_in, is_card, is_iban
from references.texts import any_texts, real_texts

from curation.signals.pii import Pii, rules
from curation.text.batch import TextBatch
from curation.text.pii import CARD, EMAIL, IBAN, IP_ADDRESS, PHONE, find_pii, iban_lengths


def found(texts: list[str]) -> list[list[tuple[int, int, int]]]:
    batch = TextBatch.from_texts(texts)
    rows: list[list[tuple[int, int, int]]] = [[] for _ in texts]
    for doc, kind, first, last in find_pii(batch.data, batch.offsets, iban_lengths()):
        rows[doc].append((int(kind), int(first - batch.offsets[doc]), int(last - batch.offsets[doc])))
    return rows


def check(texts: list[str]) -> None:
    for text, rows in zip(texts, found(texts), strict=True):
        assert rows == find_in(text), text


# What is found stands between braces.
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (EMAIL, "Write to <{jane.doe+news@mail.example.co.uk}>."),
        (EMAIL, "'{o'neil@example.org}' or {x@y.de}, not @home, a@b, a@b.1, a.@b.com, @a.com"),
        (EMAIL, "mailto:{info@xn--bcher-kva.example}?subject=1"),
        (EMAIL, "(--{a_b%c-d@x-1.example.com}.-) and a@-b.com or a@b-.com"),
        (EMAIL, "x" * 65 + "@example.com {" + "x" * 64 + "@example.com}"),
        (IP_ADDRESS, "from {8.8.8.8}: port, {1.1.1.1}. Not 10.0.0.1 127.0.0.1 192.168.1.1 172.20.1.1 169.254.1.1"),
        (
            IP_ADDRESS,
            "not 256.1.1.1, 1.2.3, 1.2.3.4.5, v1.2.3.4, 01.2.3.4, 203.0.113.7, 100.64.0.1, 198.18.0.1, 230.1.1",
        ),
        (
            IP_ADDRESS,
            "{2a00:1450:4001:81b::200e} and {2606:4700:4700:0:0:0:0:1111}, [{2a00::1}]; not 2001:db8::1, 2a00::",
        ),
        (IP_ADDRESS, "not fe80::1, fd00::1, 2002:0808:0808::1, 2a00::1::2, 2a00:1:2:3:4:5:6, 20:15:30, 12345:1::2"),
        (PHONE, "Call {+49 30 1234567} or {+1 (212) 555-0100}, {+442079460000}."),
        (PHONE, "Call {(212) 555-0100}, {212-555-0100}, {212.555.0100}, {1-800-555-0199}, {1 (212) 555-0100}!"),
        (PHONE, "not 112-555-0100, 212-155-0100, 212-555-01000, 212-555.0100, 2024-11-26, +0123456789, a+49301234567"),
        (PHONE, "not +1234567, x-212-555-0100, +1234567890123456"),
        (IBAN, "{DE89370400440532013000}, {GB29 NWBK 6016 1331 9268 19}, {NO9386011117947}"),
        (IBAN, "not DE89370400440532013001, XX89370400440532013000, DE8937040044053201300, de89370400440532013000"),
        (CARD, "{4111111111111111}, {4111 1111 1111 1111} 12/26, {5500-0000-0000-0004}, {3782 822463 10005}"),
        (CARD, "{6011000990139424} {3530111333300000} {30569309025904} {2223000048400011} {6200000000000005}"),
        (CARD, "not 4111111111111112, 4111-1111 1111-1111, 1234567812345670, 41111111111111111, 4.111111111111111"),
    ],
)
def test_what_is_found(kind: int, text: str) -> None:
    plain, expected, opened = "", [], 0
    for sign in text:
        if sign == "{":
            opened = len(plain)
        elif sign == "}":
            expected.append((kind, opened, len(plain)))
        else:
            plain += sign
    assert found([plain]) == [expected]
    assert find_in(plain) == expected


def test_checksums_catch_every_wrong_digit() -> None:
    """Luhn and the remainder by 97 see each single error."""
    card, iban = "4111111111111111", "DE89370400440532013000"
    assert is_card(card)
    assert is_iban(iban)
    wrong = [card[:k] + other + card[k + 1 :] for k in range(1, 16) for other in "0123456789" if other != card[k]]
    wrong += [iban[:k] + other + iban[k + 1 :] for k in range(2, 22) for other in "0123456789" if other != iban[k]]
    assert found(wrong) == [[]] * len(wrong)
    assert all(rows for rows in found([card, iban]))


def test_the_registry_is_whole() -> None:
    """89 countries; examples of the registry, of all lengths from 15 to 33."""
    assert (iban_lengths() > 0).sum() == 89
    registered = """
        NO9386011117947 BE68539007547034 DK5000400440116243 NL91ABNA0417164300 AT611904300234573201
        CH9300762011623852957 GB29NWBK60161331926819 ES9121000418450200051332 FR1420041010050500013M02606
        PL61109010140000071219812874 BR1800360305000010009795493C1 MT84MALT011000012345MTLCAST001S
        RU0304452522540817810538091310419 SE4550000000058398257466 IT60X0542811101000000123456
        LC55HEMM000100010012001200023015 BI4210000100010000332045181 HN88CABF00000000000250005469
        MN121234123456789123 OM810180000001299123456
    """
    examples = registered.split()
    assert found(examples) == [[(IBAN, 0, len(example))] for example in examples]


_PIECES = (
    *("a@b.com", "@", ".", "..", "-", "+", "(", ")", " ", " ", "\n", ":", "::", "é", "x", "A", "_", "%", "'", "0", "1"),
    *("8.8.8.8", "10.", "255", "256", "2001:4860:4860::8888", "2a00:", "ff", "12", "212", "555", "0100", "+1", "+49"),
    *("4111", "1111", "4111111111111111", "3782", "822463", "10005", "DE89", "3704", "0044", "0532", "0130", "00"),
    *("DE89370400440532013000", "NO93", "8601", "1117", "947", "com", "co.uk", "-x", "192.168.", "212-555-0100"),
)
_pieces = st.lists(st.sampled_from(_PIECES), max_size=24).map("".join)


@settings(max_examples=600, deadline=None)
@given(_pieces | any_texts | st.text("0123456789.:-+ ()@aAfFdDeE", max_size=60))
def test_any_text(text: str) -> None:
    check([text])


def test_many_texts_at_once(shared: Path) -> None:
    draw = random.Random(2)
    made = ["".join(draw.choices(_PIECES, k=draw.choice((2, 6, 12, 40)))) for _ in range(4000)]
    check(made)
    assert {kind for text in made for kind, _, _ in find_in(text)} == {EMAIL, IP_ADDRESS, PHONE, IBAN, CARD}
    real = real_texts(shared, per_file=150)
    check(real)
    assert any(find_in(text) for text in real)


def test_what_is_measured() -> None:
    texts = ["Mail a@b.com or c@d.org from 8.8.8.8", "", "clean", "Pay DE89370400440532013000 by 4111111111111111"]
    rows = Pii().measure(TextBatch.from_texts(texts)).to_pylist()
    assert [row["num_emails"] for row in rows] == [2, 0, 0, 0]
    assert [row["num_ip_addresses"] for row in rows] == [1, 0, 0, 0]
    assert [(row["num_ibans"], row["num_card_numbers"]) for row in rows] == [(0, 0), (0, 0), (0, 0), (1, 1)]
    shares = [row["frac_bytes"] for row in rows]
    assert shares == [pytest.approx(21 / 36), None, 0.0, pytest.approx(38 / 46)]
    assert [(rule.name, rule.max) for rule in rules()] == [("pii.iban", 0), ("pii.card_number", 0)]
