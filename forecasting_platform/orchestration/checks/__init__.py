"""The asset checks: one file per asset. A pure function computes a report, the check shows its numbers."""
