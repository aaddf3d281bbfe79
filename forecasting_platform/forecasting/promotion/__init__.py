"""Whether a challenger becomes champion or a champion is rolled back. The alias is moved by a service."""
