"""SlimPajama with deduplication inside each source only, which its authors compare with the global one.

Reference: Shen et al. 2023, SlimPajama-DC, section 3.2.
"""

from dataclasses import replace

from jobs.recipes.slimpajama_global import RECIPE as GLOBAL

assert GLOBAL.dedup is not None

RECIPE = replace(
    GLOBAL,
    name="slimpajama_local",
    says="SlimPajama: 200 characters at least, near duplicates at 0.8 inside each source",
    dedup=replace(GLOBAL.dedup, scope="source"),
)
