"""SlimPajama: short documents dropped, near duplicates found across all sources.

Reference: Soboleva et al. 2023; Shen et al. 2023, SlimPajama-DC, section 3. Departures: near duplicates are verified by
exact Jaccard similarity, where SlimPajama trusts the bands, and the longest of a cluster is kept. SlimPajama normalised
texts to NFC before; here they stay as they are. Its successor for one source at a time is `slimpajama_local`.
"""

from curation.dedup import presets
from curation.dedup.config import Dedup
from curation.recipe import Recipe
from curation.signals import slimpajama

RECIPE = Recipe(
    name="slimpajama_global",
    says="SlimPajama: 200 characters at least, near duplicates at 0.8 across all sources",
    signals=(slimpajama.SlimPajama(),),
    rules=slimpajama.rules(),
    dedup=Dedup(minhash=presets.slimpajama, threshold=0.8),
)
