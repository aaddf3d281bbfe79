"""`python -m serve`."""

from serve.server import main

if __name__ == "__main__":
    main()
