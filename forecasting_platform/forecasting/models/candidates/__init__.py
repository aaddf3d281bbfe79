"""The candidates of a recipe. How they are weighed against each other belongs to `models.combining`."""
