"""Actors of the platform played against each other, one port call at a time, from a seed.

The actors run the product's own code on memory adapters. Before each call of a port a seeded scheduler decides who
goes on, and who dies before or after the call. Afterwards the docs' promises are checked. A seed that breaks one is
played again, call by call, by `python -m forecasting_platform_tests.simulation --seed N`.

What one call does is done at once, as on Postgres, where it is one transaction: the contract suites hold both to it
(`table_store_contract`, `ledger_contract`). MLflow has no transactions, so there each request is a call of its own,
and the registry's adapter is the real one.
"""
