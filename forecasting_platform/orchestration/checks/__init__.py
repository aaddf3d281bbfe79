"""Asset checks, one file per asset: a pure function reports, the check shows its numbers."""
