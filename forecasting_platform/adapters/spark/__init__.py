"""The table store and the trainer on Spark SQL and a Hive metastore."""
