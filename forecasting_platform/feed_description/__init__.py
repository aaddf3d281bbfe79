"""What a feed is like, as its user declares it: where it is, how it is written, which days it has.

Here are the words of the description and the reading of its file. How documents are fetched and read by it is
`adapters.feeds`'.
"""
