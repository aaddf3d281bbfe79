"""`python -m serve`: starts the server."""

from serve.http.server import main

if __name__ == "__main__":
    main()
