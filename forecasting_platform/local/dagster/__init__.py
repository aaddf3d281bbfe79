"""A client of Dagster's GraphQL for the commands and the embedded platform; it imports nothing of Dagster itself."""
