"""The vocabulary as JSON Schema, generated from the models and the tables of methods."""
