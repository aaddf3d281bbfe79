"""Tables and training on Spark SQL and a Hive metastore."""
