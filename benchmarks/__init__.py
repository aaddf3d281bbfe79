"""What the project exists for, measured: ours, peers and the floor in one run. Never part of the test suite."""
