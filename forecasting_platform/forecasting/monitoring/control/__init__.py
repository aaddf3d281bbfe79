"""Control and drift: charts that page by a budget of false pages, and the questions that are asked with them."""
