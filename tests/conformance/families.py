"""The filters and taggers of the peers, and what is the same here."""

import unicodedata
from collections.abc import Iterable
from dataclasses import replace

from conformance.answers import Family

from curation.signals import c4, curator, fineweb, gopher, mc4, repetition


def _same_names(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _ngrams(template: str, ours: str, sizes: Iterable[int]) -> dict[str, str]:
    return {template.format(n): ours.format(n) for n in sizes}


_DOLMA_C4 = {
    "has_curly_brace": "has_curly_bracket",
    "has_lorem_ipsum": "has_lorem_ipsum",
    "has_javascript": "has_javascript",
    "lines_with_no_ending_punctuation": "num_lines_no_end_mark",
    "lines_with_too_few_words": "num_lines_few_words",
    "line_count": "num_lines",
    "kept_chars": "num_kept_chars",
}
_DOLMA_C4_REASONS = {
    "has_curly_brace": "c4.curly_bracket",
    "has_lorem_ipsum": "c4.lorem_ipsum",
    "has_javascript": "c4.javascript",
}

DOLMA_C4_V1 = Family(
    peer="dolma",
    name="c4_v1",
    signal=c4.C4(dialect="dolma"),
    rules=[rule for rule in c4.rules("dolma") if rule.name != "c4.javascript"],
    reasons=_DOLMA_C4_REASONS,
    columns=_DOLMA_C4,
    # The dialect is that of c4_v2, which looks for javascript within words too. The rest is the same.
    apart={"has_javascript": lambda _: True},
)

DOLMA_C4_V2 = Family(
    peer="dolma",
    name="c4_v2",
    signal=c4.C4(dialect="dolma"),
    rules=c4.rules("dolma"),
    reasons=_DOLMA_C4_REASONS,
    columns=_DOLMA_C4,
    # c4_v2 places what it cuts out in the lower-case text, which is longer by one for each of these letters.
    apart={"kept_chars": lambda document: "\u0130" in document.text},
)

DOLMA_GOPHER = Family(
    peer="dolma",
    name="gopher",
    signal=gopher.Gopher(dialect="dolma"),
    rules=gopher.rules("dolma"),
    reasons={
        "word_count <": "gopher.too_few_words",
        "word_count >": "gopher.too_many_words",
        "median_word_length <": "gopher.words_too_short",
        "median_word_length >": "gopher.words_too_long",
        "symbol_to_word_ratio >": "gopher.too_many_symbols",
        "fraction_of_words_with_alpha_character <": "gopher.too_few_words_with_letter",
        "required_word_count <": "gopher.too_few_stop_words",
        "fraction_of_lines_starting_with_bullet_point >": "gopher.too_many_bullets",
        "fraction_of_lines_ending_with_ellipsis >": "gopher.too_many_ellipsis_lines",
    },
    columns={
        "word_count": "num_words",
        "median_word_length": "median_word_length",
        "symbol_to_word_ratio": "frac_words_with_symbol",
        "fraction_of_words_with_alpha_character": "frac_words_with_letter",
        "required_word_count": "num_stop_words",
        "fraction_of_lines_starting_with_bullet_point": "frac_lines_bullet",
        "fraction_of_lines_ending_with_ellipsis": "frac_lines_ellipsis",
    },
    of_words=True,
)

_DUPLICATES = repetition.DUPLICATE_SIZES

DOLMA_REPETITION = Family(
    peer="dolma",
    name="repetition",
    signal=repetition.Repetition(dialect="dolma"),
    # The mixing configurations test the top n-grams under names that the tagger does not write.
    rules=[rule for rule in repetition.rules("dolma") if not rule.name.startswith("repetition.top_")],
    reasons={
        "fraction_of_duplicate_lines >": "repetition.duplicate_lines",
        "fraction_of_characters_in_duplicate_lines >": "repetition.duplicate_line_chars",
    }
    | _ngrams("fraction_of_characters_in_duplicate_{}grams >", "repetition.duplicate_{}gram", _DUPLICATES),
    columns={
        "fraction_of_duplicate_lines": "frac_duplicate_lines",
        "fraction_of_characters_in_duplicate_lines": "ratio_chars_duplicate_lines",
    }
    | _ngrams("fraction_of_characters_in_most_common_{}grams", "ratio_chars_top_{}gram", repetition.TOP_SIZES)
    | _ngrams("fraction_of_characters_in_duplicate_{}grams", "frac_chars_duplicate_{}gram", _DUPLICATES),
    of_words=True,
)

DATATROVE_C4 = Family(
    peer="datatrove",
    name="c4",
    signal=c4.C4(dialect="datatrove", sentences="spacy"),
    rules=c4.rules("datatrove"),
    reasons={
        "lorem_ipsum": "c4.lorem_ipsum",
        "curly_bracket": "c4.curly_bracket",
        "too_few_sentences": "c4.too_few_sentences",
    },
    columns=_same_names(
        "num_lines",
        "num_kept_lines",
        "num_lines_long_word",
        "num_lines_no_end_mark",
        "num_lines_few_words",
        "num_lines_javascript",
        "num_lines_policy",
        "num_sentences",
        "num_kept_chars",
        "max_word_chars",
        "has_lorem_ipsum",
        "has_curly_bracket",
    ),
    tied=frozenset({"c4.lorem_ipsum", "c4.curly_bracket"}),
)

DATATROVE_MC4 = Family(
    peer="datatrove",
    name="mc4",
    signal=mc4.MC4(),
    rules=mc4.rules(),
    reasons={"< 3 paragraphs": "mc4.too_few_paragraphs"},
    columns={"three_long_lines": lambda row: row["num_long_lines"] >= 3},
)

DATATROVE_FINEWEB = Family(
    peer="datatrove",
    name="fineweb",
    signal=fineweb.FineWeb(dialect="datatrove", words="spacy"),
    rules=fineweb.rules("datatrove"),
    reasons={
        "empty": "fineweb.empty",
        "line_punct_ratio": "fineweb.few_lines_end_mark",
        "short_line_ratio": "fineweb.short_lines",
        "char_dup_ratio": "fineweb.duplicate_lines",
        "list_ratio": "fineweb.list",
    },
    columns=_same_names("frac_lines_end_mark", "frac_short_lines", "frac_chars_duplicate_lines", "newlines_per_word"),
)

DATATROVE_GOPHER = Family(
    peer="datatrove",
    name="gopher",
    signal=gopher.Gopher(dialect="datatrove", words="spacy"),
    rules=gopher.rules("datatrove"),
    reasons={
        "gopher_short_doc": "gopher.too_few_words",
        "gopher_long_doc": "gopher.too_many_words",
        "gopher_below_avg_threshold": "gopher.words_too_short",
        "gopher_above_avg_threshold": "gopher.words_too_long",
        "gopher_too_many_hashes": "gopher.too_many_hashes",
        "gopher_too_many_ellipsis": "gopher.too_many_ellipses",
        "gopher_too_many_bullets": "gopher.too_many_bullets",
        "gopher_too_many_end_ellipsis": "gopher.too_many_ellipsis_lines",
        "gopher_below_alpha_threshold": "gopher.too_few_words_with_letter",
        "gopher_enough_stop_words": "gopher.too_few_stop_words",
    },
    columns=_same_names(
        "num_words",
        "mean_word_length",
        "ratio_hashes_to_words",
        "ratio_ellipses_to_words",
        "frac_lines_bullet",
        "frac_lines_ellipsis",
        "frac_words_with_letter",
        "num_distinct_stop_words",
    ),
)

DATATROVE_REPETITION = Family(
    peer="datatrove",
    name="repetition",
    signal=repetition.Repetition(dialect="datatrove", words="spacy"),
    rules=repetition.rules("datatrove"),
    reasons={
        "empty": "repetition.empty",
        "dup_para_frac": "repetition.duplicate_paragraphs",
        "dup_para_char_frac": "repetition.duplicate_paragraph_chars",
        "dup_line_frac": "repetition.duplicate_lines",
        "dup_line_char_frac": "repetition.duplicate_line_chars",
    }
    | _ngrams("top_{}_gram", "repetition.top_{}gram", repetition.TOP_SIZES)
    | _ngrams("duplicated_{}_n_grams", "repetition.duplicate_{}gram", _DUPLICATES),
    columns=_same_names(
        "frac_duplicate_paragraphs",
        "frac_chars_duplicate_paragraphs",
        "frac_duplicate_lines",
        "frac_chars_duplicate_lines",
    )
    | _ngrams("top_{}gram", "ratio_chars_top_{}gram", repetition.TOP_SIZES)
    | _ngrams("duplicate_{}gram", "frac_chars_duplicate_{}gram", _DUPLICATES),
)

_LATER_LETTERS = frozenset(
    chr(code)
    for code in range(0x110000)
    if unicodedata.category(chr(code)) in ("Mn", "Mc", "Nl") or 0x24B6 <= code <= 0x24E9
)

CURATOR_GOPHER = Family(
    peer="curator",
    name="gopher",
    signal=gopher.Gopher(dialect="curator"),
    rules=gopher.rules("curator"),
    reasons={
        "symbol_to_word": "gopher.too_many_symbols",
        "word_count <": "gopher.too_few_words",
        "word_count >": "gopher.too_many_words",
        "words_without_alphabets": "gopher.too_few_words_with_letter",
        "common_english_words": "gopher.too_few_stop_words",
        "mean_word_length <": "gopher.words_too_short",
        "mean_word_length >": "gopher.words_too_long",
        "ellipsis": "gopher.too_many_ellipsis_lines",
        "bullet_ratio": "gopher.too_many_bullets",
    },
    columns={
        "symbol_to_word": "frac_symbol_words",
        "word_count <": "num_words",
        "word_count >": "num_words",
        "words_without_alphabets": "frac_words_with_letter",
        "common_english_words": "num_stop_words",
        "mean_word_length <": "mean_word_length",
        "mean_word_length >": "mean_word_length",
        "ellipsis": "frac_lines_ellipsis",
        "bullet_ratio": "frac_lines_bullet",
    },
    # Its letters are Unicode's alphabetic characters: letter numbers, vowel signs and letters in circles too.
    apart={"words_without_alphabets": lambda document: not _LATER_LETTERS.isdisjoint(document.text)},
    of_words=True,
)

CURATOR_REPETITION = Family(
    peer="curator",
    name="repetition",
    signal=repetition.Repetition(dialect="curator"),
    rules=repetition.rules("curator"),
    reasons={
        "repeated_lines": "repetition.duplicate_lines",
        "repeated_paragraphs": "repetition.duplicate_paragraphs",
        "repeated_lines_char": "repetition.duplicate_line_chars",
        "repeated_paragraphs_char": "repetition.duplicate_paragraph_chars",
    }
    | _ngrams("top_{}gram", "repetition.top_{}gram", repetition.TOP_SIZES)
    | _ngrams("duplicate_{}gram", "repetition.duplicate_{}gram", _DUPLICATES),
    columns={
        "repeated_lines": lambda row: 1 - row["frac_duplicate_lines"],
        "repeated_paragraphs": lambda row: 1 - row["frac_duplicate_paragraphs"],
        "repeated_lines_char": lambda row: 1 - row["frac_chars_duplicate_lines"],
        "repeated_paragraphs_char": lambda row: 1 - row["frac_chars_duplicate_paragraphs"],
    }
    | _ngrams("top_{}gram", "frac_chars_top_{}gram", repetition.TOP_SIZES)
    | _ngrams("duplicate_{}gram", "frac_chars_duplicate_{}gram", _DUPLICATES),
    of_words=True,
)

CURATOR = Family(
    peer="curator",
    name="curator",
    signal=curator.Curator(),
    rules=curator.rules(),
    reasons={
        "alpha_numeric": "curator.too_few_alphanumeric",
        "numbers_ratio": "curator.too_many_digits",
        "urls_ratio": "curator.too_many_urls",
        "white_space": "curator.too_much_white_space",
        "parentheses_ratio": "curator.too_many_brackets",
        "boilerplate_string_ratio": "curator.boilerplate",
        "punctuation": "curator.few_lines_end_mark",
        "max_word_length": "curator.word_too_long",
    },
    columns={
        "alpha_numeric": "frac_chars_not_alphanumeric",
        "numbers_ratio": "frac_chars_digit",
        "urls_ratio": "frac_chars_url",
        "white_space": "frac_chars_white_space",
        "parentheses_ratio": "frac_chars_bracket",
        "boilerplate_string_ratio": "frac_paragraphs_boilerplate",
        "punctuation": "frac_lines_no_end_mark",
        "max_word_length": "max_word_chars",
    },
    of_words=True,
)

FAMILIES = (
    DATATROVE_C4,
    DATATROVE_MC4,
    DATATROVE_FINEWEB,
    DATATROVE_GOPHER,
    DATATROVE_REPETITION,
    DOLMA_GOPHER,
    DOLMA_REPETITION,
    DOLMA_C4_V1,
    DOLMA_C4_V2,
    CURATOR_GOPHER,
    CURATOR_REPETITION,
    CURATOR,
)

FAST = {
    "c4": replace(DATATROVE_C4, signal=c4.C4(dialect="datatrove")),
    "fineweb": replace(DATATROVE_FINEWEB, signal=fineweb.FineWeb(dialect="datatrove")),
    "gopher": replace(DATATROVE_GOPHER, signal=gopher.Gopher(dialect="datatrove")),
    "repetition": replace(DATATROVE_REPETITION, signal=repetition.Repetition(dialect="datatrove")),
}
"""Families of datatrove whose words or sentences are spaCy's, as they are measured without it: near, and not equal."""
