"""What would have been: a recipe, or a policy of training, promotion and alerting, tried on past days."""
