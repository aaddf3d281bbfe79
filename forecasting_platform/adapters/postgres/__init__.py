"""Tables, ledger, schema and logins in Postgres."""
