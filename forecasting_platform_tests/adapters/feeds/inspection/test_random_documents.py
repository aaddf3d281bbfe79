"""No value of a random document is loaded wrong, or lost without a word."""

import pytest

from forecasting_platform_tests.adapters.feeds.inspection.random_documents import inspected, random_document

COUNT, BLOCK = 300, 50
MIN_SAME_OR_IN_PART = 0.6
"""The others have to be chosen or are refused, most of them because they are short."""


@pytest.mark.parametrize("first", range(0, COUNT, BLOCK))
def test_a_random_document_comes_back_the_same_or_is_refused_in_words(first: int) -> None:
    outcomes = {seed: inspected(random_document(seed)) for seed in range(first, first + BLOCK)}
    wrong = {seed: outcome for seed, outcome in outcomes.items() if outcome.kind in {"WRONG", "LOST"}}
    assert not wrong
    read = sum(outcome.kind in {"same", "in part"} for outcome in outcomes.values())
    assert read >= MIN_SAME_OR_IN_PART * BLOCK
