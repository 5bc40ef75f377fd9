"""DCLM-Baseline, English, before its classifier: line modifiers, language, Gopher quality and repetition as its code.

Reference: Li et al. 2024, DataComp-LM, section 4; mlfoundations/dclm
`baselines_configs/dclm_baseline_refinedweb.yaml`, whose dialect this is. Not in it: the URL lists and the fastText
classifier. Departures: the line modifiers come before the rules, not after them; URLs are removed from every text, not
only from those that begin with a top-level domain's letters (`curation.edits.urls`); near duplicates of whole documents
by verified MinHash stand for DCLM's Bloom filter over paragraphs. That is `curation.edits.duplicate_pieces`'
`RepeatedParagraphs`: put it last among the edits and leave out `cuts.rules()`, which would count what it cuts. If you
have the URL lists, `curation.with_lists` adds them by
`with_lists(RECIPE, url=Url.of(dialect="dclm", lists=..., banned_subwords=..., banned_words=..., soft_words=...))`;
the strict list is `banned_subwords`, the hard one `banned_words`.
"""

from curation.decide import FEWEST_REASONS
from curation.dedup.config import Dedup
from curation.dedup.keep import Keep
from curation.dedup.minhash import MinHash
from curation.edits.dclm_lines import DclmLines
from curation.edits.newlines import Newlines
from curation.edits.urls import RemoveUrls
from curation.recipe import Recipe
from curation.signals import cuts, gopher, language, repetition

RECIPE = Recipe(
    name="dclm_baseline_en",
    says="DCLM's line modifiers and page rules for English web text, near duplicates at 0.8; no URL lists",
    edits=(RemoveUrls(), Newlines(), DclmLines()),
    signals=(
        language.Language(dialect="dclm"),
        gopher.Gopher(dialect="dclm"),
        repetition.Repetition(dialect="dclm"),
        cuts.Cuts(),
    ),
    rules=(*language.rules("dclm"), *gopher.rules("dclm"), *repetition.rules("dclm"), *cuts.rules()),
    dedup=Dedup(minhash=MinHash.for_threshold(0.8), threshold=0.8, keep=(FEWEST_REASONS, Keep("num_chars"))),
)
