"""What every candidate promises, of this one."""

from boosted_trees import BoostedTrees

from forecasting_platform.candidate_contract import CandidateContract


class TestBoostedTrees(CandidateContract):
    """The suite of the platform; nothing more is needed."""

    candidate = BoostedTrees()
