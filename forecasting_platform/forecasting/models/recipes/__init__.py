"""A recipe: everything that determines how a model is trained, its TOML file, and the file's JSON schema."""
