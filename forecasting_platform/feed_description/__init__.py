"""Descriptions of feeds, as users declare them: where a feed is, how it is written, which days it has.

Here are the words of the description and the reading of its file. How documents are fetched and read by it is
`adapters.feeds`'.
"""
