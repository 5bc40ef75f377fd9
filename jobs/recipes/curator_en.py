"""NeMo Curator's English filters and fuzzy deduplication: the rules of its configuration, as its filters measure them.

Reference: NVIDIA-NeMo/Curator 1.4.0, `config/text/heuristic_filter_english_pipeline.yaml` and
`fuzzy_deduplication_pipeline.yaml` (24 characters, 20 bands of 13 rows). Departures: the configuration takes its texts
for English, here language rules come first; near duplicates are compared before they count as such, at a Jaccard
similarity of 0.8, where half of the pairs share a band; of a cluster the document with the fewest reasons against it
stays, then the longest, where Curator takes the first.
"""

from curation.decide import FEWEST_REASONS
from curation.dedup.config import Dedup
from curation.dedup.keep import Keep
from curation.dedup.minhash import MinHash
from curation.dedup.shingles import Shingles
from curation.recipe import Recipe
from curation.signals import curator, gopher, language, repetition

RECIPE = Recipe(
    name="curator_en",
    says="NeMo Curator's English filters, near duplicates at Jaccard 0.8 over 24 characters",
    signals=(
        language.Language(),
        curator.Curator(),
        repetition.Repetition(dialect="curator"),
        gopher.Gopher(dialect="curator"),
    ),
    rules=(*language.rules(), *curator.rules(), *repetition.rules("curator"), *gopher.rules("curator")),
    dedup=Dedup(
        minhash=MinHash(shingles=Shingles(kind="char", size=24), bands=20, rows=13),
        threshold=0.8,
        keep=(FEWEST_REASONS, Keep("num_chars")),
    ),
)
