"""Inspects an unknown document: from its bytes to a proposed description, with its doubts.

A proposal is looked at by a person before anything is loaded by it. What one document leaves open is said, and where a
wrong guess would load wrong values without an error (day or month first, a comma for decimals or for thousands) it has
to be chosen. Reading by a description is `adapters.feeds.documents.feed_document`'s.
"""
