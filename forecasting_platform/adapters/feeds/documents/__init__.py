"""Reads documents: bytes and a feed's description in, values and refusals out. Pure: no network, no clock."""
