"""A document in its feed's words: bytes and a description in, values and refusals out. Pure: no network, no clock."""
