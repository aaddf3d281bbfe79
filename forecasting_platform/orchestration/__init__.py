"""All of Dagster: partitions, resources, assets, checks, jobs, schedules, sensors. Nothing else imports Dagster."""
