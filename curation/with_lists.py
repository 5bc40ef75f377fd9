"""A recipe with the user's own lists: URL filters first, bad words last, as the peers apply them."""

from dataclasses import replace

from curation.recipe import Recipe
from curation.signals import bad_words as bad_words_family
from curation.signals import url as url_family
from curation.signals.bad_words import BadWords
from curation.signals.url import Url


def with_lists(recipe: Recipe, *, url: Url | None = None, bad_words: BadWords | None = None) -> Recipe:
    """The recipe with these signals, and the rules of their dialects.

    Args:
        recipe: any recipe that does not have them yet.
        url: `Url.of(lists=..., banned_words=..., ...)`; its rules come first.
        bad_words: `BadWords.of(path)`; its rule comes last.

    Raises:
        RecipeError: the recipe has such a signal already.
    """
    signals, rules = recipe.signals, recipe.rules
    if url is not None:
        signals, rules = (url, *signals), (*url_family.rules(url.dialect), *rules)
    if bad_words is not None:
        signals, rules = (*signals, bad_words), (*rules, *bad_words_family.rules(bad_words.dialect))
    return replace(recipe, signals=signals, rules=rules)
