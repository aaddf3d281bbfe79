"""The embedded Postgres: where its program files, account and cluster are, and the server itself."""
