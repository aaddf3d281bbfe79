"""Where messages about incidents are sent: Apprise URLs and Alertmanager."""
