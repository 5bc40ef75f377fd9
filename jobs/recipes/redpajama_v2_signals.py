"""RedPajama-V2: every document annotated, none dropped for what it says, exact duplicates dropped.

RedPajama-V2 publishes signals and leaves the filter to its users, and a list of the duplicates that a Bloom filter
finds (here found exactly). For a filter, take its README's example,

    RECIPE = replace(redpajama_v2_signals.RECIPE, rules=redpajama.rules())

or rules of your own on what is measured. `curation.with_lists` adds the URL lists (with `rps_doc_ut1_blacklist`),
`RedPajama.of(bad_words=...)` counts LDNOOBW's words, and the signal `redpajama_models.RedPajamaModels.of(...)` has what
needs classifiers or counts of yours. Its documents are those of cc_net's head and middle buckets: with language models
in cc_net's layout, `perplexity.Perplexity.of(...)` measures them and `perplexity.rules()` drops the tail; here all come
in. Near duplicates by its MinHash signatures at 0.7: `Dedup(minhash=presets.redpajama_07, threshold=0.7)`.

Reference: Weber et al. 2024, RedPajama: an Open Dataset for Training Large Language Models, section 4.
"""

from curation.dedup.config import Dedup
from curation.recipe import Recipe
from curation.signals import language, redpajama

RECIPE = Recipe(
    name="redpajama_v2_signals",
    says="RedPajama-V2's quality signals on every document; only exact duplicates are dropped",
    signals=(language.Language(), redpajama.RedPajama()),
    dedup=Dedup(minhash=None, keep=()),
)
