"""`python -m serve`."""

from serve.http.server import main

if __name__ == "__main__":
    main()
