"""Options, built-in tables and schemas: where every value comes from."""
