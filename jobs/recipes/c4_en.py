"""C4, English: lines that fail its line tests are cut, then language and page rules, exact duplicates.

Reference: Raffel et al. 2020, section 2.2; tensorflow/datasets `c4_utils.py`, whose dialect this is. Departures:
language by lid.176 at 0.65 instead of langdetect at 0.99, of the lines that are left; lorem ipsum and `{` are looked
for there too, where C4 looks at lines with javascript as well; whole pages stand for C4's three-sentence spans in
deduplication. The list of bad words is not shipped: where you have it, `curation.with_lists` adds it by
`with_lists(RECIPE, bad_words=BadWords.of(path))`.
"""

from curation.decide import FEWEST_REASONS
from curation.dedup.config import Dedup
from curation.edits.c4_lines import C4Lines
from curation.recipe import Recipe
from curation.rules import Rule
from curation.signals import c4, language

RECIPE = Recipe(
    name="c4_en",
    says="C4's line removal and page rules, exact duplicates",
    edits=(C4Lines(dialect="tfds"),),
    signals=(language.Language(), c4.C4(dialect="tfds")),
    rules=(*language.rules(), Rule("c4.no_line_left", on="c4_tfds.num_kept_lines", min=1), *c4.rules("tfds")),
    dedup=Dedup(minhash=None, keep=(FEWEST_REASONS,)),
)
