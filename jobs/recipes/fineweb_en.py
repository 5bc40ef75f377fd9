"""FineWeb, English: language, Gopher repetition, Gopher quality, C4 without its end-mark test, FineWeb's own; MinHash.

Reference: Penedo et al. 2024, section 3 and appendix; datatrove `examples/fineweb.py`. Departures: every signal is
measured by the paper's wording (the dialects are in `curation/signals`); near duplicates are verified by exact Jaccard
similarity, where FineWeb trusts the bands; the best of a cluster is kept, not an arbitrary one. FineWeb deduplicates
each crawl by itself: set `dedup.scope` to the metadata field that names the crawl. Its URL lists are not shipped: where
you have them, `with_lists(RECIPE, url=Url.of(lists=..., banned_words=..., banned_subwords=..., soft_words=...))` of
`curation.with_lists` adds them.
"""

from curation.decide import FEWEST_REASONS
from curation.dedup import presets
from curation.dedup.config import Dedup
from curation.dedup.keep import Keep
from curation.recipe import Recipe
from curation.signals import c4, fineweb, gopher, language, repetition

RECIPE = Recipe(
    name="fineweb_en",
    says="FineWeb's filters and MinHash for English web text",
    signals=(
        language.Language(),
        repetition.Repetition(),
        gopher.Gopher(),
        c4.C4(end_marks=False),
        fineweb.FineWeb(),
    ),
    rules=(*language.rules(), *repetition.rules(), *gopher.rules(), *c4.rules(), *fineweb.rules()),
    dedup=Dedup(minhash=presets.fineweb, threshold=0.7, keep=(FEWEST_REASONS, Keep("num_chars"))),
)
