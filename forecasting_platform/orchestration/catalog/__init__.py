"""What Dagster's catalog shows of each asset: columns, place, owner, version, source; where lineage begins and ends.

Nothing here decides what runs. What a materialization shows belongs in `orchestration.metadata`.
"""
