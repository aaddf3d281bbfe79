"""What the platform does, over ports: one file an asset or command, which calls it.

No framework here, and no adapter: what runs at the same time, dies in between or is repeated is dealt with here, and
`forecasting_platform_tests.simulation` plays exactly these functions against each other.
"""
