"""Candidates whose parameters are stored and whose state is filtered on the newest days: it is never out of date."""
